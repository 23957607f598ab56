#!/usr/bin/env bash
# sharp applies numbers of 0 to 255 to images of 16 bits as they are: with unflatten nothing is left, a threshold and dilate give black, and an offset does nothing, without an error.
# It needs Node.js 20.9 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node sharp@0.35.5
cat >"$folder/try.cjs" <<'J'
const sharp = require("sharp");
const size = 64;
const shades = Array.from({ length: size * size }, (_, i) => {
  const [x, y] = [i % size, Math.floor(i / size)];
  const colour = (x - 32) ** 2 + (y - 32) ** 2 < 300 ? [90, 50, 40] : [220, 170, 150];
  return colour.map((value, band) => value + ((x * 7 + y * 3 + band) % 9)); // with a little texture
}).flat();
const raw = { raw: { width: size, height: size, channels: 3 } };
const steps = {
  "nothing": (image) => image,
  "threshold(128, { greyscale: false })": (image) => image.threshold(128, { greyscale: false }),
  "threshold(128)": (image) => image.threshold(128),
  "linear(1, -20)": (image) => image.linear(1, -20),
  "unflatten()": (image) => image.unflatten(),
  "dilate(2)": (image) => image.dilate(2),
  "trim()": (image) => image.trim(),
  "negate()": (image) => image.negate(),
};
(async () => {
  console.log(`sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}, node ${process.version}`);
  const images = {
    8: await sharp(Uint8Array.from(shades), raw).png().toBuffer(),
    16: await sharp(Uint16Array.from(shades, (value) => value * 257), raw).toColourspace("rgb16").png().toBuffer(),
  };
  console.log(`depths: ${(await sharp(images[8]).metadata()).depth} and ${(await sharp(images[16]).metadata()).depth}; skin and lesion as shown`);
  const found = {};
  for (const [name, step] of Object.entries(steps)) {
    for (const bits of [8, 16]) {
      const { data, info } = await step(sharp(images[bits])).raw().toBuffer({ resolveWithObject: true });
      const pixel = (x, y) => Array.from(data.slice((y * info.width + x) * info.channels, (y * info.width + x + 1) * info.channels)).join(",");
      found[`${name} ${bits}`] = `${pixel(2, 2)} ${pixel(info.width >> 1, info.height >> 1)} ${info.width}x${info.height}`;
    }
    console.log(`${name}: 8 bits ${found[`${name} 8`]}; 16 bits ${found[`${name} 16`]}`);
  }
  const same = (name) => found[`${name} 8`] === found[`${name} 16`];
  const differ = ["threshold(128, { greyscale: false })", "linear(1, -20)", "unflatten()", "dilate(2)", "trim()"];
  const held = ["nothing", "threshold(128)", "negate()"].every(same) && differ.every((name) => !same(name));
  const wrong = found["threshold(128, { greyscale: false }) 16"].startsWith("0,0,0 0,0,0") && /,0 .*,0 64x64/.test(found["unflatten() 16"]) && found["linear(1, -20) 16"] === found["nothing 16"];
  process.exit(held && wrong && found["trim() 16"].endsWith("64x64") && found["dilate(2) 16"].startsWith("0,0,0 0,0,0") ? 0 : 1);
})();
J
echo "expected: the same picture from 8 and from 16 bits, as for threshold(128) and negate(), or an error"
check_node try.cjs
