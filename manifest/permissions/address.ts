/** IP addresses and ranges, read strictly: no octal, no short forms, no zone. */
import { isIPv4, isIPv6 } from "node:net";

export interface Address {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

export interface AddressRange extends Address {
  /** How many leading bits count. */
  readonly prefix: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;

/** undefined for anything that is not one exact spelling; an IPv4 address inside IPv6 counts as IPv4. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, bits: ipv4Bits(text) };
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const dotted = /[0-9.]+$/.exec(text)?.[0] ?? "";
  const plain = isIPv4(dotted) ? text.slice(0, -dotted.length) + hexGroups(ipv4Bits(dotted)) : text;
  const [head = "", tail] = plain.split("::");
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const zeros = Array<bigint>(8 - left.length - right.length).fill(0n);
  const bits = [...left, ...zeros, ...right].reduce((sum, group) => (sum << 16n) | group, 0n);
  return bits >> 32n === 0xffffn ? { family: 4, bits: bits & 0xffff_ffffn } : { family: 6, bits };
}

/** `10.0.0.0/8` or one address; undefined when malformed or when bits below the prefix are set. */
export function parseRange(text: string): AddressRange | undefined {
  const [base = "", length, ...more] = text.split("/");
  const address = parseAddress(base);
  if (address === undefined || more.length > 0) return undefined;
  const width = WIDTH[address.family];
  // The prefix of `::ffff:10.0.0.0/104` would count other bits than the reader thinks.
  if (address.family === 4 && base.includes(":")) return undefined;
  if (length === undefined) return { ...address, prefix: width };
  if (!/^(0|[1-9][0-9]{0,2})$/.test(length) || Number(length) > width) return undefined;
  const range = { ...address, prefix: Number(length) };
  return address.bits & hostMask(range) ? undefined : range;
}

export function rangeContains(range: AddressRange, address: Address): boolean {
  return range.family === address.family && (address.bits & ~hostMask(range)) === range.bits;
}

export function isLoopback(address: Address): boolean {
  return address.family === 4 ? address.bits >> 24n === 127n : address.bits === 1n;
}

function hostMask(range: AddressRange): bigint {
  return (1n << BigInt(WIDTH[range.family] - range.prefix)) - 1n;
}

function ipv4Bits(text: string): bigint {
  return text.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function hexGroups(bits: bigint): string {
  return `${(bits >> 16n).toString(16)}:${(bits & 0xffffn).toString(16)}`;
}

function groups(text: string): bigint[] {
  return text === "" ? [] : text.split(":").map((group) => BigInt(`0x${group}`));
}
