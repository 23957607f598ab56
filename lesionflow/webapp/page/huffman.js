"use strict";

/* The codes of a JPEG's scans, read without making pixels of them: what libjpeg warns of, and browsers drop.
   ITU-T T.81, annexes C, F and G. */

const LOOK = 10; // bits that a table answers at once
const HELD = 7; // bytes that libjpeg may have read ahead where a scan ends, and does not look at
const SLACK = 256; // bytes of zeros behind a stretch: more than what is read of a block before anybody looks where it ends

/** The tables of a Huffman segment, by class and number; stepOf: what the symbols for AC do. */
function readHuffman(data, segments, stepOf = stepOfAc) {
  const tables = new Map();
  for (let [start, end] of segments) {
    while (start + 17 <= end) {
      const counts = data.subarray(start + 1, start + 17);
      const total = counts.reduce((sum, count) => sum + count, 0);
      if (start + 17 + total > end) throw damaged("a Huffman table breaks off");
      const symbols = data.subarray(start + 17, start + 17 + total);
      tables.set(data[start], huffmanTable(counts, symbols, data[start] >> 4 ? stepOf : stepOfDc));
      start += 17 + total;
    }
  }
  return tables;
}

/** What a symbol does, as bits of its value and, from the ninth bit on, how many coefficients it goes on. */
function stepOfDc(symbol) {
  if (symbol > 15) throw damaged("bad Huffman table");
  return symbol | (1 << 8);
}

function stepOfAc(symbol) {
  const size = symbol & 15;
  if (size) return size | (((symbol >> 4) + 1) << 8);
  return (symbol === 0xf0 ? 16 : 64) << 8; // sixteen zeros, or the end of the block
}

/** In progressive files the symbol itself, as what it means depends on the scan. */
const stepOfSymbol = (symbol) => symbol << 8;

/** Steps by the next bits: the code's own length is added to the bits that they take; 0 where the code is longer. */
function huffmanTable(counts, symbols, stepOf) {
  const quick = new Int32Array(1 << LOOK), limits = new Int32Array(17).fill(-1), offsets = new Int32Array(17);
  const steps = Int32Array.from(symbols, stepOf);
  let code = 0, index = 0;
  for (let length = 1; length <= 16; length++) {
    offsets[length] = index - code;
    for (let i = 0; i < counts[length - 1]; i++, code++, index++) {
      if (length <= LOOK) quick.fill(steps[index] + length, code << (LOOK - length), (code + 1) << (LOOK - length));
    }
    if (counts[length - 1]) limits[length] = code - 1;
    if (code > 1 << length) throw damaged("bad Huffman table");
    code <<= 1;
  }
  return { quick, limits, offsets, steps };
}

/** Throw `ImageFailure` where a scan breaks off, has a code that is none, too many bytes, or its restarts in disorder. */
function checkCodes(data, layout) {
  let position = layout.scan, segments = layout.tables, restart = layout.restart;
  const progress = layout.process === PROGRESSIVE ? new Map() : null, stepOf = progress ? stepOfSymbol : stepOfAc;
  for (;;) {
    const length = (data[position + 2] << 8) | data[position + 3];
    const header = data.subarray(position + 4, position + 2 + length);
    const after = checkScan(data, layout, header, position + 2 + length, readHuffman(data, segments, stepOf), restart, progress);
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

/** Read one scan; returns where the marker behind it is. progress: of a progressive file, what each component has so far. */
function checkScan(data, layout, header, start, tables, restart, progress) {
  const scan = progress ? { from: header.at(-3), to: header.at(-2), refines: header.at(-1) >> 4 } : null;
  const most = (side) => Math.max(...layout.components.map((component) => component[side])) || 1;
  const [across, down] = [most("across"), most("down")];
  const chosen = [];
  for (let i = 1; i < 1 + 2 * header[0]; i += 2) {
    const component = layout.components.find(({ id }) => id === header[i]);
    const dc = tables.get(header[i + 1] >> 4), ac = tables.get(0x10 | (header[i + 1] & 15));
    const needed = !scan ? dc && ac : scan.from ? ac : dc || scan.refines;
    if (!component || !needed) throw damaged("a scan names what is not there");
    chosen.push({ component, dc, ac });
  }
  if (!chosen.length || (scan?.from && chosen.length > 1)) throw damaged("a scan of nothing, or of too much");
  let units;
  const blocks = [];
  const blocksOf = (component) => {
    const wide = Math.ceil(Math.ceil((layout.width * component.across) / across) / 8);
    return wide * Math.ceil(Math.ceil((layout.height * component.down) / down) / 8);
  };
  if (chosen.length === 1) {
    const { component, dc, ac } = chosen[0];
    units = blocksOf(component);
    blocks.push(dc, ac);
  } else {
    units = Math.ceil(layout.width / (8 * across)) * Math.ceil(layout.height / (8 * down));
    for (const { component, dc, ac } of chosen) {
      for (let i = 0; i < component.across * component.down; i++) blocks.push(dc, ac);
    }
  }
  if (!scan) return readUnits(data, start, units, restart, (stretch, first, count, last) => checkStretch(stretch, count, blocks, last));
  for (const { component } of chosen) {
    if (!progress.has(component)) {
      progress.set(component, { bits: new Int8Array(64).fill(-1), seen: new Uint32Array(2 * blocksOf(component)) });
    }
    noteProgress(progress.get(component), scan, header.at(-1) & 15);
  }
  const { seen } = progress.get(chosen[0].component);
  const check = scan.from ? (stretch, first, count) => checkProgressiveAc(stretch, first, count, chosen[0].ac, scan, seen)
    : (stretch, first, count) => checkProgressiveDc(stretch, count, blocks, scan);
  return readUnits(data, start, units, restart, check);
}

/** Throw `ImageFailure` where a scan does not go on where the earlier ones of its component ended. */
function noteProgress(earlier, { from, to, refines }, low) {
  if (from > to || to > 63 || (from && earlier.bits[0] < 0)) throw damaged("its scans are not in order");
  for (let k = from; k <= to; k++) {
    if (refines !== Math.max(earlier.bits[k], 0)) throw damaged("its scans are not in order");
    earlier.bits[k] = low;
  }
}

/** Read the codes of a scan's units, stretch by stretch. Returns where it ends. */
function readUnits(data, start, units, restart, check) {
  let offset = start, expected = 0;
  for (let unit = 0; unit < units; unit += restart || units) {
    if (unit) {
      if (data[offset + 1] !== 0xd0 + expected) throw damaged("its restart markers are not in order");
      expected = (expected + 1) & 7;
      offset += 2;
    }
    const count = Math.min(restart || units, units - unit), last = unit + count === units;
    const { bytes, length, end } = stretchOf(data, offset);
    check({ bytes, length, marker: data[end + 1] }, unit, count, last);
    offset = end;
  }
  if (offset >= data.length) throw damaged("it breaks off");
  return offset;
}

/** The bytes from an offset to the next marker, without the zeros that are stuffed behind 255, and where the marker is. */
function stretchOf(data, start) {
  let end = data.indexOf(0xff, start), from = start, length = 0;
  const pieces = [];
  while (end >= 0 && data[end + 1] === 0) {
    pieces.push([from, end + 1]);
    from = end + 2;
    end = data.indexOf(0xff, from);
  }
  if (end < 0) end = data.length;
  pieces.push([from, end]);
  const bytes = new Uint8Array(end - start + SLACK);
  for (const [first, last] of pieces) {
    bytes.set(data.subarray(first, last), length);
    length += last - first;
  }
  while (data[end + 1] === 0xff) end += 1; // fill
  return { bytes, length, end };
}

/** Throw `ImageFailure` where a stretch has a code that is none, ends too early, or has bytes behind its codes; blocks:
    tables of a unit's blocks, by turns for DC and for AC. */
function checkStretch({ bytes, length, marker }, units, blocks, last) {
  const end = 8 * length;
  let bit = 0;
  for (let unit = 0; unit < units; unit++) {
    for (let block = 0; block < blocks.length; block += 2) {
      for (let k = 0, stop = 1; k < 64; stop = 64) {
        const table = blocks[k ? block + 1 : block], { quick } = table;
        while (k < stop) {
          const byte = bit >> 3;
          const next = (((bytes[byte] << 16) | (bytes[byte + 1] << 8) | bytes[byte + 2]) >> (8 - (bit & 7))) & 0xffff;
          const step = quick[next >> (16 - LOOK)] || longStep(table, next);
          bit += step & 0xff;
          k += step >> 8;
        }
      }
      if (bit > end) throw damaged("premature end of data segment");
    }
  }
  checkRest({ bytes, length, marker }, bit, last ? PADDING : 0);
}

/** Throw `ImageFailure` where bytes are left behind a stretch's codes, other than some zeros. */
function checkRest({ bytes, length, marker }, bit, zeros) {
  const used = (bit + 7) >> 3, left = length - used;
  if (left > 0 && !(left <= zeros && bytes.subarray(used, length).every((value) => value === 0))) {
    throw damaged(`${left} extraneous bytes before marker 0x${(marker ?? 0).toString(16)}`);
  }
}

/** The same for a progressive file's scan of DC, of which one that refines has a bit a block. */
function checkProgressiveDc(stretch, units, blocks, { refines }) {
  const { bytes, length } = stretch;
  let bit = refines ? (units * blocks.length) / 2 : 0;
  for (let unit = 0; unit < units && !refines; unit++) {
    for (let block = 0; block < blocks.length; block += 2) bit += stepAt(bytes, bit, blocks[block]) & 0xff;
    if (bit > 8 * length) break;
  }
  if (bit > 8 * length) throw damaged("premature end of data segment");
  checkRest(stretch, bit, HELD);
}

/** The same for one of AC; seen: by block, two numbers whose bits say which coefficients are not zero so far. */
function checkProgressiveAc(stretch, first, count, table, { from, to, refines }, seen) {
  const { bytes, length } = stretch, end = 8 * length;
  let bit = 0, run = 0; // of blocks that nothing begins in
  for (let unit = first; unit < first + count; unit++) {
    const isSeen = (k) => (seen[2 * unit + (k >> 5)] >>> (k & 31)) & 1;
    let k = from;
    for (; !run && k <= to; k++) {
      const step = stepAt(bytes, bit, table), size = (step >> 8) & 15;
      let zeros = step >> 12;
      bit += step & 0xff;
      if (!size && zeros < 15) {
        run = (1 << zeros) + (wordAt(bytes, bit) >> (16 - zeros));
        bit += zeros;
        break;
      }
      if (refines && size > 1) throw damaged("bad Huffman code");
      bit += size;
      if (!refines) k += zeros;
      for (; refines && k <= to; k++) {
        if (isSeen(k)) bit += 1;
        else if (--zeros < 0) break;
      }
      if (size && k < 64) seen[2 * unit + (k >> 5)] |= 1 << (k & 31);
    }
    if (run) {
      for (; refines && k <= to; k++) bit += isSeen(k);
      run -= 1;
    }
    if (bit > end) throw damaged("premature end of data segment");
  }
  checkRest(stretch, bit, HELD);
}

/** Sixteen bits from a place on. */
function wordAt(bytes, bit) {
  const byte = bit >> 3;
  return (((bytes[byte] << 16) | (bytes[byte + 1] << 8) | bytes[byte + 2]) >> (8 - (bit & 7))) & 0xffff;
}

/** What the code at a place does. */
function stepAt(bytes, bit, table) {
  const next = wordAt(bytes, bit);
  return table.quick[next >> (16 - LOOK)] || longStep(table, next);
}

/** The step of a code that is longer than what `quick` knows. */
function longStep({ limits, offsets, steps }, next) {
  for (let length = LOOK + 1; length <= 16; length++) {
    const code = next >> (16 - length);
    if (code <= limits[length]) return steps[offsets[length] + code] + length;
  }
  throw damaged("bad Huffman code");
}
