import { describe, expect, it } from 'vitest';
import { EncodeError, WireError } from '../codec/wire-error';
import { array, bool, bytes, float64, int16, int32, int64, int8, records, string, struct, uint16, uint32, uuid } from './field';
import { Message } from './message';

const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

const sample = new Message('Sample', '0-3', '2+', {
  name: string(),
  since1: int32({ versions: '1+', default: -1 }),
  hint: string({ versions: '1+', nullable: '2+', default: null, ignorable: true }),
  items: array({ id: int16(), label: string({ nullable: true }) }, { versions: '1+' }),
  leader: struct({ id: int32({ default: -1 }), epoch: int32({ default: -1 }) }, { versions: '2+', tag: 3 }),
  numbers: array(int32(), { versions: '2+', nullable: true, tag: 1 }),
  cursor: struct({ at: string() }, { versions: '2+', nullable: true, default: null }),
});

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('Message.decode', () => {
  it('gives the default of every field that the version lacks', () => {
    expect(sample.decode(0, hex('0001 61'))).toStrictEqual({
      name: 'a',
      since1: -1,
      hint: null,
      items: [],
      leader: { id: -1, epoch: -1 },
      numbers: [],
      cursor: null,
    });
  });

  it('gives null for records that the version lacks', () => {
    const late = new Message('Late', '0-1', 'none', { batches: records({ versions: '1+', nullable: true }) });
    expect(late.decode(0, hex(''))).toStrictEqual({ batches: null });
    expect(() => late.encode(0, { batches: hex('') })).toThrow('Late v0 batches: has a value');
  });

  it('gives every call defaults of its own', () => {
    const [one, two] = [sample.decode(0, hex('0000')), sample.decode(0, hex('0000'))];
    expect(one.items).not.toBe(two.items);
    expect(one.leader).not.toBe(two.leader);
  });

  it('keeps tagged fields that it does not know and writes them back in their place', () => {
    const data = hex('01 00000000 00 01 ff 04 0003616263 0105020000000c 0309ffffffff0000000100 0901ff');
    const value = sample.decode(2, data);
    expect(value.unknownTaggedFields).toStrictEqual([
      { tag: 0, data: hex('616263') },
      { tag: 9, data: hex('ff') },
    ]);
    expect(value).toMatchObject({ numbers: [12], leader: { id: -1, epoch: 1 } });
    expect(sample.encode(2, value)).toStrictEqual(data);
  });

  it('reads bytes that are no UTF-8 as replacement characters', () => {
    expect(sample.decode(0, hex('0004 61ff80 62')).name).toBe('a\ufffd\ufffdb');
  });

  it.each([
    ['a null where none is allowed', 0, 'ffff', 'invalid', 'name'],
    ['a length below -1', 0, 'fffe', 'invalid', 'name'],
    ['bytes after the message', 0, '0000 00', 'trailing', ''],
    ['a string beyond the end', 0, '0005 6161', 'truncated', 'name'],
    ['a varint of more than 32 bits', 2, 'ffffffff1f', 'invalid', 'name'],
    ['a varint without an end', 2, '8080', 'truncated', 'name'],
    ['a compact null where none is allowed', 2, '00', 'invalid', 'name'],
    ['a compact string of more than 32767 bytes', 2, `818002 ${'61'.repeat(32768)}`, 'invalid', 'name'],
    [
      'a tagged field that is longer than its value',
      2,
      '01 00000000 00 01 ff 01 03 0a ffffffff00000001 00 00',
      'invalid',
      'leader',
    ],
    [
      'a tagged field that is shorter than its value',
      2,
      '01 00000000 00 01 ff 01 03 07 ffffffff000000',
      'truncated',
      'leader.epoch',
    ],
    ['a tagged field beyond the end', 2, '01 00000000 00 01 ff 01 07 05 00', 'truncated', 'taggedFields'],
    ['more tagged fields than bytes', 2, '01 00000000 00 01 ff 7f 00', 'truncated', 'taggedFields'],
  ])('refuses %s', (_, version, text, code, path) => {
    expect(() => sample.decode(version, hex(text))).toThrow(WireError);
    expect(() => sample.decode(version, hex(text))).toThrow(expect.objectContaining({ code, path }));
  });

  it('never reads beyond a frame that lies inside a larger buffer', () => {
    const large = hex('0003 6162 63');
    expect(() => sample.decode(0, large.subarray(0, 4))).toThrow(WireError);
  });

  it('refuses a version that the message does not have', () => {
    expect(() => sample.decode(4, hex(''))).toThrow('Sample has versions 0 to 3, not 4');
    expect(() => sample.decode(-1, hex(''))).toThrow(RangeError);
  });
});

describe('Message.encode', () => {
  const least = { name: 'a' };

  it('writes the default of what is left out', () => {
    expect(sample.encode(2, least)).toStrictEqual(hex('0261 ffffffff 00 01 ff 00'));
  });

  it('writes tagged fields only where they differ from their default', () => {
    expect(sample.encode(2, { ...least, leader: { id: -1 }, numbers: [] })).toStrictEqual(sample.encode(2, least));
    expect(sample.encode(2, { ...least, leader: { epoch: 0 } })).toStrictEqual(
      hex('0261 ffffffff 00 01 ff 01 0309ffffffff0000000000'),
    );
    expect(sample.encode(2, { ...least, numbers: null })).toStrictEqual(hex('0261 ffffffff 00 01 ff 01 010100'));
  });

  it('writes tagged fields of any size', () => {
    for (const length of [31, 32, 4096, 70_000]) {
      const value = { ...least, numbers: Array.from({ length }, (_, k) => k), leader: { id: 1, epoch: 2 } };
      expect(sample.decode(3, sample.encode(3, value))).toMatchObject(value);
    }
  });

  it('keeps a tagged field in one piece, however many bytes it holds', () => {
    const fields = { payload: struct({ body: bytes() }, { tag: 0 }), rest: string() };
    const tagged = new Message('Tagged', '0', '0+', fields);
    const value = { payload: { body: Buffer.alloc(5000, 3) }, rest: 'x' };
    expect(tagged.decode(0, tagged.encode(0, value))).toStrictEqual(value);
  });

  it('writes an unknown tagged field as often as it was read', () => {
    const twice = hex('01 00000000 00 01 ff 02 0901ff 0901ff');
    expect(sample.encode(2, sample.decode(2, twice))).toStrictEqual(twice);
  });

  it('drops an ignorable field that the version lacks', () => {
    expect(sample.encode(0, { name: 'a', hint: 'x' })).toStrictEqual(hex('0001 61'));
  });

  it('writes a string of any length and script', () => {
    for (const text of [
      '',
      'x'.repeat(12),
      'x'.repeat(13),
      'é'.repeat(42),
      'é'.repeat(43),
      '日'.repeat(42),
      '日'.repeat(43),
      '𝄞'.repeat(5000),
      'a\ud800',
    ])
      for (const version of [0, 2])
        expect(sample.decode(version, sample.encode(version, { name: text })).name).toBe(Buffer.from(text).toString());
  });

  it.each([
    [
      'a field that the version lacks',
      0,
      { name: 'a', since1: 7 },
      'Sample v0 since1: has a value, but this version lacks the field',
    ],
    ['an array that the version lacks', 0, { name: 'a', items: [{ id: 1, label: '' }] }, 'Sample v0 items: has a value'],
    ['a struct that the version lacks', 1, { name: 'a', leader: { id: 3 } }, 'Sample v1 leader: has a value'],
    [
      'unknown tagged fields',
      1,
      { name: 'a', hint: '', unknownTaggedFields: [{ tag: 1, data: hex('') }] },
      'Sample v1 unknownTaggedFields: has a',
    ],
    ['an unknown field under a known tag', 2, { name: 'a', unknownTaggedFields: [{ tag: 3, data: hex('') }] }, 'tag 3 is taken'],
    ['null where the version allows none', 1, { name: 'a', hint: null }, 'Sample v1 hint: null is no string'],
    ['a string of more than 32767 bytes', 0, { name: 'é'.repeat(16384) }, 'Sample v0 name: string of 32768 bytes'],
    [
      'a number out of range',
      1,
      { name: 'a', hint: '', items: [{ id: 32768, label: '' }] },
      'Sample v1 items[0].id: number 32768 is no int16',
    ],
    ['a fraction', 1, { name: 'a', hint: '', since1: 1.5 }, 'Sample v1 since1: number 1.5 is no int32'],
  ])('refuses %s', (_, version, value, message) => {
    expect(() => sample.encode(version, value)).toThrow(EncodeError);
    expect(() => sample.encode(version, value)).toThrow(message);
  });
});

describe('every type', () => {
  const all = new Message('All', '0-1', '1+', {
    bool: bool(),
    int8: int8(),
    int16: int16(),
    uint16: uint16(),
    int32: int32(),
    uint32: uint32(),
    int64: int64(),
    float64: float64(),
    uuid: uuid(),
    string: string({ nullable: true }),
    bytes: bytes({ nullable: true }),
    records: records({ nullable: true }),
    ints: array(uint32(), { nullable: true }),
  });
  const zero = { bool: false, int8: 0, int16: 0, uint16: 0, int32: 0, uint32: 0, int64: 0n, float64: 0, uuid: ZERO_UUID };
  const empty = { string: null, bytes: null, records: null, ints: null };
  const ends = [
    { ...zero, ...empty },
    { ...zero, int8: 127, int16: 32767, uint16: 65535, int32: 2147483647, uint32: 4294967295, int64: 2n ** 63n - 1n, ...empty },
    { ...zero, int8: -128, int16: -32768, int32: -2147483648, int64: -(2n ** 63n), float64: -1e300, ...empty },
    {
      ...zero,
      bool: true,
      uuid: 'lJmTOp4jTQSH2AX3JXvx-_'.slice(0, 21) + 'A',
      string: '',
      bytes: hex(''),
      records: hex('01'),
      ints: [4294967295],
    },
  ];

  it.each(ends)('comes back at its ends: %o', (value) => {
    for (const version of [0, 1]) expect(all.decode(version, all.encode(version, value))).toStrictEqual(value);
  });

  it.each([
    ['int8', 128],
    ['int8', -129],
    ['uint16', -1],
    ['uint16', 65536],
    ['uint32', -1],
    ['uint32', 4294967296],
    ['int32', NaN],
    ['int64', 2n ** 63n],
    ['int64', 5],
    ['float64', 5n],
    ['bool', 1],
    ['uuid', 'short'],
    ['uuid', '****TOp4jTQSH2AX3JXvxh'],
    ['string', 5],
    ['bytes', 'text'],
    ['records', 'text'],
    ['ints', 'text'],
    ['ints', [5n]],
  ])('refuses %s of %s', (name, wrong) => {
    const value: object = { ...zero, ...empty, [name]: wrong };
    const untyped: { encode(version: number, value: object): Buffer } = all;
    for (const version of [0, 1]) {
      expect(() => untyped.encode(version, value)).toThrow(EncodeError);
      expect(() => untyped.encode(version, value)).toThrow(new RegExp(`^All v${version} ${name}`));
    }
  });
});

describe('a schema', () => {
  it('with a tagged field in a version that is not flexible is refused', () => {
    const wrong = new Message('Wrong', '0-1', '1+', { late: int32({ tag: 0 }) });
    expect(() => wrong.encode(0, { late: 1 })).toThrow("field 'late' is tagged, but version 0 is not flexible");
  });
});
