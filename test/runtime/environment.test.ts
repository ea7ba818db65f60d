/** The daemon's environment is full of names; a task sees what its manifest declares, and nothing more. */
import assert from "node:assert/strict";
import test, { after } from "node:test";
import { Secret } from "../../base/secret.ts";
import type { GuestVariable } from "../../runtime/host/executor.ts";
import { startRuntime } from "./support.ts";

const CANARY = "canary-7f3a-not-a-real-secret";

/** Put into this process before any worker starts: what a daemon's environment might hold. */
const HOST_NAMES = (
  "WRIT_SECRET_KEY WRIT_DATA_DIR WRIT_CONFIG WRIT_API_TOKEN WRIT_LOG WRIT_OP_TOKEN DICODE_KEY AWS_SECRET_ACCESS_KEY " +
  "GITHUB_TOKEN DATABASE_URL SSH_AUTH_SOCK KUBECONFIG NPM_TOKEN NODE_EXTRA_CA_CERTS_X HTTP_PROXY https_proxy EDITOR " +
  "LD_LIBRARY_PATH_X USERNAME LOGNAME __proto__x constructor_x toString_x A b ÜMLAUT dotted.name DASH-ED PRINTED"
)
  .split(" ")
  .concat("WITH SPACE");
const hostBefore = new Map(HOST_NAMES.map((name) => [name, process.env[name]]));
for (const name of HOST_NAMES) process.env[name] = CANARY;
after(() => {
  for (const [name, value] of hostBefore) {
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  }
});

const { runCode } = startRuntime();

const variables: readonly GuestVariable[] = [
  { name: "PLAIN", value: "plain value", hidden: false },
  { name: "TOKEN", value: new Secret("TOKEN", Buffer.from("canary-hidden-value")), hidden: true },
  { name: "toString", value: "a variable with an inherited name", hidden: false },
  { name: "__proto__", value: "a variable with a dangerous name", hidden: false },
];
const SHOWN = ["PLAIN", "toString", "__proto__"];

/** Names a task would try: what the daemon has, what every process has, what objects inherit. */
const GUESSES = [
  ...HOST_NAMES,
  ...Object.keys(process.env),
  ..."PATH HOME USER PWD SHELL LANG TERM TMPDIR NODE_OPTIONS NODE_PATH NODE_CHANNEL_FD length env undefined".split(
    " ",
  ),
  ..."constructor hasOwnProperty valueOf __defineGetter__ __lookupGetter__ then toJSON inspect 0 1 null".split(
    " ",
  ),
  ..."token Token TOKEN\0 TOK".split(" "),
  "",
  " ",
].filter((name) => !["PLAIN", "TOKEN", "toString", "__proto__"].includes(name));

test("env, process.env and Deno.env have nothing but the declared variables, under any name and by any way", async () => {
  const source = `
    export default ({ env, input: guesses }) => {
      const found = [];
      const note = (how, name) => found.push(how + " " + String(name));
      const views = { env, "process.env": process.env };
      for (const [label, view] of Object.entries(views)) {
        for (const name of guesses) {
          if (view[name] !== undefined) note(label + " by key", name);
          if (name in view) note(label + " in", name);
          if (Reflect.has(view, name)) note(label + " Reflect.has", name);
          if (Object.hasOwn(view, name)) note(label + " own", name);
          if (Reflect.getOwnPropertyDescriptor(view, name)) note(label + " descriptor", name);
          if (Reflect.get(view, name, {}) !== undefined) note(label + " Reflect.get", name);
          if (Object.prototype.propertyIsEnumerable.call(view, name)) note(label + " enumerable", name);
          const { [name]: taken } = view;
          if (taken !== undefined) note(label + " destructured", name);
        }
        if (Object.getPrototypeOf(view) !== null) note(label, "has a prototype");
        for (const symbol of [Symbol.iterator, Symbol.toPrimitive, Symbol.toStringTag, Symbol.for("nodejs.util.inspect.custom")])
          if (view[symbol] !== undefined) note(label, symbol);
        if (Object.getOwnPropertySymbols(view).length > 0) note(label, "symbols");
      }
      for (const name of guesses) {
        if (Deno.env.get(name) !== undefined) note("Deno.env.get", name);
        if (Deno.env.has(name)) note("Deno.env.has", name);
        if (name in Deno.env.toObject()) note("Deno.env.toObject", name);
      }
      for (const name of Object.getOwnPropertyNames(globalThis)) if (guesses.includes(name) && /WRIT|DICODE|TOKEN|AWS/.test(name)) note("global", name);
      return found;
    };`;
  const ran = await runCode(source, {
    variables,
    // A null prototype inherits no name, but toObject() gives an ordinary object.
    input: GUESSES.filter((name) => !(name in {})),
  });
  assert.equal(ran.end, "success", ran.error?.message);
  assert.deepEqual(ran.output, []);
});

test("env and process.env do not answer to inherited names", async () => {
  const source = `
    export default ({ env, input }) => input.filter((name) =>
      env[name] !== undefined || process.env[name] !== undefined || Deno.env.get(name) !== undefined || Deno.env.has(name));`;
  const inherited = [
    "constructor",
    "hasOwnProperty",
    "valueOf",
    "__defineGetter__",
    "isPrototypeOf",
    "toLocaleString",
  ];
  const ran = await runCode(source, { variables, input: inherited });
  assert.deepEqual(ran.output, []);
});

test("no way of listing gives a hidden variable, and every way gives the others", async () => {
  const source = `
    export default ({ env }) => {
      const forIn = (view) => { const names = []; for (const name in view) names.push(name); return names; };
      const ways = {};
      for (const [label, view] of Object.entries({ env, process: process.env })) {
        ways[label] = {
          keys: Object.keys(view),
          entries: Object.entries(view).map(([name]) => name),
          json: Object.keys(JSON.parse(JSON.stringify(view))).length,
          spread: Object.keys({ ...view }),
          assign: Object.getOwnPropertyNames(Object.assign(Object.create(null), view)),
          forIn: forIn(view),
          clone: Object.keys(structuredClone(view)),
          values: Object.values(view).join(),
          fromEntries: Object.keys(Object.fromEntries(Object.entries(view))),
        };
      }
      ways.deno = Object.keys(Deno.env.toObject()).length;
      console.log(env, process.env, { env });
      console.table([env]);
      console.dir(env);
      return ways;
    };`;
  const ran = await runCode(source, { variables });
  assert.equal(ran.end, "success", ran.error?.message);
  assert.doesNotMatch(JSON.stringify(ran), /canary-hidden-value|canary-7f3a/);
  assert.doesNotMatch(JSON.stringify(ran.output), /TOKEN/);
  const output: unknown = ran.output;
  assert.ok(typeof output === "object" && output !== null && "env" in output);
  assert.partialDeepStrictEqual(output.env, { keys: SHOWN, entries: SHOWN, forIn: SHOWN, spread: SHOWN });
});

test("a hidden variable can be read by its name, and shows as not enumerable", async () => {
  const source = `
    export default ({ env }) => [
      env.TOKEN, process.env.TOKEN, Deno.env.get("TOKEN"), "TOKEN" in env,
      Object.getOwnPropertyDescriptor(env, "TOKEN").enumerable,
      Object.getOwnPropertyDescriptor(process.env, "TOKEN").enumerable,
    ];`;
  const ran = await runCode(source, { variables });
  const value = "canary-hidden-value";
  assert.deepEqual(ran.output, [value, value, value, true, false, false]);
});

test("a variable's bytes arrive as they are, with a byte order mark, none, or many", async () => {
  const values = ["\uFEFFmarked", "", "ä€😀\0\n", "x".repeat(100_000)];
  const ran = await runCode(
    `export default ({ env, input }) => input.map((value, index) => env["V" + index] === value);`,
    {
      input: values,
      variables: values.map((value, index) => ({
        name: `V${index}`,
        value: index === 0 ? new Secret("V0", Buffer.from(value)) : value,
        hidden: index === 0,
      })),
    },
  );
  assert.deepEqual(ran.output, [true, true, true, true]);
});

test("env is read-only in every way", async () => {
  const source = `
    export default ({ env }) => {
      const ways = {
        assign: () => { env.PLAIN = "other"; },
        add: () => { env.NEW = "other"; },
        delete: () => { delete env.PLAIN; },
        define: () => { Object.defineProperty(env, "PLAIN", { value: "other" }); },
        reveal: () => { Object.defineProperty(env, "TOKEN", { enumerable: true }); },
        prototype: () => { Object.setPrototypeOf(env, { NEW: "other" }); },
        objectAssign: () => { Object.assign(env, { PLAIN: "other" }); },
      };
      const done = [];
      for (const [name, way] of Object.entries(ways)) { try { way(); done.push(name); } catch (error) { if (!(error instanceof TypeError)) done.push(name); } }
      return [done, env.PLAIN, env.NEW ?? null, Object.keys(env).length, Object.isFrozen(env)];
    };`;
  const ran = await runCode(source, { variables });
  assert.deepEqual(ran.output, [[], "plain value", null, 3, true]);
});

test("process.env takes assignments that neither env nor the next run sees", async () => {
  const change = `
    export default ({ env }) => {
      process.env.PLAIN = "changed"; process.env.NEW = "new"; delete process.env.toString;
      Object.prototype.POLLUTED = "yes"; globalThis.LEFT = "yes"; globalThis.process.LEFT = "yes";
      return [process.env.PLAIN, process.env.NEW, env.PLAIN, env.NEW ?? null, Deno.env.get("PLAIN"), Deno.env.get("NEW") ?? null];
    };`;
  const look = `
    export default ({ env }) => [
      process.env.PLAIN, process.env.NEW ?? null, process.env.toString, env.PLAIN,
      env.POLLUTED ?? null, ({}).POLLUTED ?? null, globalThis.LEFT ?? null, globalThis.process.LEFT ?? null,
    ];`;
  const first = await runCode(change, { variables });
  assert.deepEqual(first.output, ["changed", "new", "plain value", null, "plain value", null]);
  const second = await runCode(look, { variables });
  const inherited = "a variable with an inherited name";
  assert.deepEqual(second.output, ["plain value", null, inherited, "plain value", null, null, null, null]);
});

test("a run without variables has an empty environment, also after one that had some", async () => {
  await runCode("export default ({ env }) => env.TOKEN.length;", { variables });
  const source = `
    export default ({ env }) => [Reflect.ownKeys(env), Reflect.ownKeys(process.env), Object.keys(Deno.env.toObject())];`;
  const ran = await runCode(source);
  assert.deepEqual(ran.output, [[], [], []]);
});

test("process and Deno hold nothing of the daemon's process", async () => {
  const source = `
    export default () => [
      Reflect.ownKeys(process), Reflect.ownKeys(Deno), Reflect.ownKeys(Deno.env), typeof globalThis.require, typeof module, typeof Buffer,
      typeof global, typeof process.argv, typeof process.pid, typeof process.cwd, typeof process.binding, typeof Deno.readTextFile,
    ];`;
  const ran = await runCode(source);
  const none = Array.from({ length: 9 }, () => "undefined");
  assert.deepEqual(ran.output, [["env"], ["env", "errors"], ["get", "has", "toObject"], ...none]);
});
