// Strings and objects on the engine's own heap, and buffers, which are malloc's.
'use strict';
const turns = Number(process.argv[2]);
let total = 0;
for (let turn = 0; turn < turns; turn++) {
  const map = new Map();
  let seed = turn + 1;
  for (let i = 0; i < 30000; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    const key = 'key' + (seed >> 8) % 5000;
    map.set(key, (map.get(key) || '') + 'x'.repeat(seed % 40));
  }
  const text = JSON.stringify([...map]);
  total += JSON.parse(text).length + text.length;
  for (let i = 0; i < 400; i++) {
    seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
    const buffer = Buffer.allocUnsafeSlow(64 + seed % 60000);
    buffer.fill(i);
    total += buffer[buffer.length - 1];
  }
}
console.log(total);
