"use strict";

/* The codes of a sequential JPEG's scans, read without making pixels of them: what libjpeg warns of, and browsers drop.
   ITU-T T.81, annexes C and F. */

const LOOK = 9; // bits that a table answers at once

/** The tables of a Huffman segment, by class and number: for the next 16 bits the length of the code and its symbol. */
function readHuffman(data, segments) {
  const tables = new Map();
  for (let [start, end] of segments) {
    while (start + 17 <= end) {
      const counts = data.subarray(start + 1, start + 17);
      const total = counts.reduce((sum, count) => sum + count, 0);
      if (start + 17 + total > end) throw damaged("a Huffman table breaks off");
      tables.set(data[start], huffmanTable(counts, data.subarray(start + 17, start + 17 + total)));
      start += 17 + total;
    }
  }
  return tables;
}

function huffmanTable(counts, symbols) {
  const quick = new Uint16Array(1 << LOOK); // length << 8 | symbol; 0 where the code is longer
  const limits = new Int32Array(18).fill(-1), offsets = new Int32Array(18);
  let code = 0, index = 0;
  for (let length = 1; length <= 16; length++) {
    offsets[length] = index - code;
    for (let i = 0; i < counts[length - 1]; i++, code++, index++) {
      if (length <= LOOK) quick.fill((length << 8) | symbols[index], code << (LOOK - length), (code + 1) << (LOOK - length));
    }
    limits[length] = counts[length - 1] ? code - 1 : -1;
    if (code > 1 << length) throw damaged("bad Huffman table");
    code <<= 1;
  }
  return { quick, limits, offsets, symbols };
}

/** Throw `ImageFailure` where a scan breaks off, has a code that is none, too many bytes, or its restarts in disorder. */
function checkCodes(data, layout) {
  let position = layout.scan, segments = layout.tables, restart = layout.restart;
  for (;;) {
    const length = (data[position + 2] << 8) | data[position + 3];
    const header = data.subarray(position + 4, position + 2 + length);
    const after = checkScan(data, layout, header, position + 2 + length, readHuffman(data, segments), restart);
    position = after;
    while (position + 4 <= data.length && data[position] === 0xff && data[position + 1] !== 0xda) {
      const marker = data[position + 1];
      if (marker === 0xd9) return;
      if (marker === 0xff) {
        position += 1;
        continue;
      }
      const end = position + 2 + ((data[position + 2] << 8) | data[position + 3]);
      if (marker === 0xc4) segments = [...segments, [position + 4, end]];
      if (marker === 0xdd) restart = (data[position + 4] << 8) | data[position + 5];
      position = end;
    }
    if (data[position] === 0xff && data[position + 1] === 0xd9) return;
    if (position + 4 > data.length || data[position] !== 0xff) throw damaged("premature end of the file");
  }
}

/** Read one scan; returns where the marker behind it is. */
function checkScan(data, layout, header, start, tables, restart) {
  const most = (side) => Math.max(...layout.components.map((component) => component[side])) || 1;
  const [across, down] = [most("across"), most("down")];
  const chosen = [];
  for (let i = 1; i < 1 + 2 * header[0]; i += 2) {
    const component = layout.components.find(({ id }) => id === header[i]);
    const dc = tables.get(header[i + 1] >> 4), ac = tables.get(0x10 | (header[i + 1] & 15));
    if (!component || !dc || !ac) throw damaged("a scan names what is not there");
    chosen.push({ component, dc, ac });
  }
  if (!chosen.length) throw damaged("a scan of nothing");
  let units;
  const blocks = [];
  if (chosen.length === 1) {
    const { component, dc, ac } = chosen[0];
    const wide = Math.ceil(Math.ceil((layout.width * component.across) / across) / 8);
    const tall = Math.ceil(Math.ceil((layout.height * component.down) / down) / 8);
    units = wide * tall;
    blocks.push(dc, ac);
  } else {
    units = Math.ceil(layout.width / (8 * across)) * Math.ceil(layout.height / (8 * down));
    for (const { component, dc, ac } of chosen) {
      for (let i = 0; i < component.across * component.down; i++) blocks.push(dc, ac);
    }
  }
  return readUnits(data, start, units, blocks, restart);
}

/** Read the codes of a scan's units, each of some blocks: tables by turns for DC and for AC. */
function readUnits(data, start, units, blocks, restart) {
  let place = start, bits = 0, count = 0; // `count` bits wait in `bits`, the next one highest
  let padded = 0; // bits that were made up behind the scan's end
  const fill = () => {
    while (count <= 16) {
      let byte = data[place];
      if (place >= data.length) {
        byte = 0;
        padded += 8;
      } else if (byte === 0xff) {
        if (data[place + 1] === 0) place += 2;
        else {
          byte = 0;
          padded += 8;
        }
      } else place += 1;
      bits = ((bits << 8) | byte) & 0xffffff;
      count += 8;
    }
  };
  const decode = (table) => {
    if (count <= 16) fill();
    const entry = table.quick[(bits >> (count - LOOK)) & ((1 << LOOK) - 1)];
    if (entry) {
      count -= entry >> 8;
      return entry & 0xff;
    }
    for (let length = LOOK + 1; length <= 16; length++) {
      const code = (bits >> (count - length)) & ((1 << length) - 1);
      if (code <= table.limits[length]) {
        count -= length;
        return table.symbols[table.offsets[length] + code];
      }
    }
    throw damaged("bad Huffman code");
  };
  const skip = (size) => {
    if (count < size) fill();
    count -= size;
  };
  const endOfStretch = (last) => {
    if (padded > count) throw damaged("premature end of data segment");
    const unread = (count - padded) >> 3; // bytes that were taken and not needed
    let skipped = unread;
    let zeros = ((bits >> padded) & ((1 << (8 * unread)) - 1)) === 0;
    for (; place < data.length && !(data[place] === 0xff && data[place + 1] !== 0); place++) {
      skipped += 1;
      zeros &&= data[place] === 0;
    }
    while (data[place + 1] === 0xff) place += 1; // fill
    if (skipped && !(last && zeros && skipped <= PADDING)) {
      throw damaged(`${skipped} extraneous bytes before marker 0x${(data[place + 1] ?? 0).toString(16)}`);
    }
    bits = count = padded = 0;
  };
  let expected = 0;
  for (let unit = 0; unit < units; unit++) {
    if (restart && unit && unit % restart === 0) {
      endOfStretch(false);
      if (data[place + 1] !== 0xd0 + expected) throw damaged("its restart markers are not in order");
      expected = (expected + 1) & 7;
      place += 2;
    }
    for (let block = 0; block < blocks.length; block += 2) {
      const size = decode(blocks[block]);
      if (size > 16) throw damaged("bad Huffman code");
      if (size) skip(size);
      const ac = blocks[block + 1];
      for (let k = 1; k < 64; k++) {
        const symbol = decode(ac), bitsOfValue = symbol & 15;
        if (bitsOfValue) {
          k += symbol >> 4;
          skip(bitsOfValue);
        } else if (symbol === 0xf0) k += 15;
        else break;
      }
      if (padded > count) throw damaged("premature end of data segment");
    }
  }
  endOfStretch(true);
  if (place >= data.length) throw damaged("it breaks off");
  return place;
}
