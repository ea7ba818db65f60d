/** Memory that the engine does not count, and threads' memory: gone, and not to be made by any detour. */
import assert from "node:assert/strict";
import test from "node:test";
import { startRuntime } from "../runtime/support.ts";

const { runCode } = startRuntime();

void test("WebAssembly, SharedArrayBuffer and Atomics exist nowhere, and nothing makes one", async () => {
  const source = String.raw`
    export default () => {
      const found = [];
      for (const name of ["WebAssembly", "SharedArrayBuffer", "Atomics"]) {
        if (name in globalThis) found.push(name);
        for (const way of [() => (0, eval)(name), () => new Function("return " + name)(), () => self[name], () => globalThis.constructor[name], () => Reflect.get(globalThis, name)])
          { try { if (way() !== undefined) found.push(name + " " + way); } catch {} }
      }
      const seen = new Set(), queue = [globalThis, console, crypto, structuredClone, Intl, TextDecoder, URL];
      while (queue.length > 0) {
        const node = queue.pop();
        if ((typeof node !== "object" && typeof node !== "function") || node === null || seen.has(node)) continue;
        seen.add(node);
        const tag = Object.prototype.toString.call(node), name = typeof node === "function" ? node.name : "";
        if (/WebAssembly|SharedArrayBuffer|Atomics/.test(tag + " " + name)) found.push(tag + name);
        queue.push(Object.getPrototypeOf(node));
        for (const key of Reflect.ownKeys(node)) { const d = Reflect.getOwnPropertyDescriptor(node, key); queue.push(d.value, d.get, d.set); }
      }
      const views = [Uint8Array, DataView, Float64Array].map((View) => Object.getPrototypeOf(new View(new ArrayBuffer(8)).buffer));
      if (!views.every((prototype) => prototype === ArrayBuffer.prototype)) found.push("a buffer of another kind");
      return found;
    };`;
  const ran = await runCode(source);
  assert.deepEqual([ran.end, ran.output], ["success", []], ran.error?.message);
});

void test("no detour makes a resizable ArrayBuffer", async () => {
  const source = String.raw`
    export default () => {
      const options = { maxByteLength: 2 ** 30 };
      const ways = {
        direct: () => new ArrayBuffer(8, options),
        reflect: () => Reflect.construct(ArrayBuffer, [8, options]),
        newTarget: () => Reflect.construct(ArrayBuffer, [8, options], class extends ArrayBuffer {}),
        objectTarget: () => Reflect.construct(ArrayBuffer, [8, options], Object),
        subclass: () => new (class extends ArrayBuffer { constructor() { super(8, options); } })(),
        prototypeConstructor: () => new ArrayBuffer.prototype.constructor(8, options),
        instanceConstructor: () => new (new Uint8Array(8).buffer.constructor)(8, options),
        randomBuffer: () => new (crypto.getRandomValues(new Uint8Array(8)).buffer.constructor)(8, options),
        encoded: () => new (new TextEncoder().encode("x").buffer.constructor)(8, options),
        species: () => { class A extends ArrayBuffer { static get [Symbol.species]() { return function (n) { return new ArrayBuffer(n, options); }; } } return new A(8).slice(0, 8); },
        speciesConstructor: () => new (ArrayBuffer[Symbol.species])(8, options),
        slice: () => new ArrayBuffer(8).slice(0, 8),
        transfer: () => new ArrayBuffer(8).transfer(16),
        transferOptions: () => new ArrayBuffer(8).transfer(16, options),
        transferFixed: () => new ArrayBuffer(8).transferToFixedLength(16),
        clone: () => structuredClone(new ArrayBuffer(8), options),
        proto: () => new (Object.getPrototypeOf(ArrayBuffer))(8, options),
        eval: () => (0, eval)("new ArrayBuffer(8, { maxByteLength: 2 ** 30 })"),
        functionMade: () => new Function("return new ArrayBuffer(8, { maxByteLength: 2 ** 30 })")(),
        bound: () => new (ArrayBuffer.bind(null, 8, options))(),
        polluted: () => { Object.prototype.maxByteLength = 2 ** 30; try { return new ArrayBuffer(8); } finally { delete Object.prototype.maxByteLength; } },
        pollutedTwice: () => { Object.prototype.maxByteLength = 2 ** 30; try { return new ArrayBuffer(8, {}); } finally { delete Object.prototype.maxByteLength; } },
        length: () => new ArrayBuffer({ valueOf: () => 8 }, options),
        typed: () => new Uint8Array(8, options).buffer,
      };
      const found = [];
      for (const [name, way] of Object.entries(ways)) {
        let buffer;
        try { buffer = way(); } catch { continue; }
        if (buffer === null || typeof buffer !== "object") continue;
        const resizable = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "resizable").get;
        try { if (Reflect.apply(resizable, buffer, [])) found.push(name); } catch {}
      }
      return [found, "resize" in ArrayBuffer.prototype, typeof ArrayBuffer.prototype.transfer];
    };`;
  const ran = await runCode(source);
  assert.deepEqual([ran.end, ran.output], ["success", [[], false, "function"]], ran.error?.message);
});

void test("ArrayBuffer still is what programs expect, with its options gone", async () => {
  const source = `
    export default () => {
      const buffer = new ArrayBuffer(8);
      let called = false;
      try { ArrayBuffer(8); called = true; } catch {}
      return [buffer instanceof ArrayBuffer, buffer.constructor === ArrayBuffer, ArrayBuffer.isView(new Uint8Array(1)), called,
        ArrayBuffer.name, ArrayBuffer.length, new (class A extends ArrayBuffer {})(4).byteLength, Object.prototype.toString.call(buffer)];
    };`;
  const ran = await runCode(source);
  assert.deepEqual(ran.output, [true, true, true, false, "ArrayBuffer", 1, 4, "[object ArrayBuffer]"]);
});
