/** `writ secrets set`: stores a value. It comes in by a prompt, stdin, a variable or a file, and never goes out. */
import { quote } from "../../base/text.ts";
import { usageError, type Args } from "../args.ts";
import type { Command, Context } from "../command.ts";
import { actor, openProject } from "../project.ts";
import { readAll, readNamed } from "../read.ts";
import { IF_VERSION, readVersion, scopeName, WORKSPACE } from "../secret-options.ts";
import { secretUsers } from "../secret-users.ts";

/** Far above what is stored, so that the vault says what the limit is. */
const MAX_READ_BYTES = 1024 * 1024;
const NEWLINE = 0x0a;
const RETURN = 0x0d;

export const secretsSet: Command = {
  name: "secrets set",
  summary: "Stores a value, as a new version that is current at once. It can not be read back.",
  operands: ["<key>", "[value]"],
  options: {
    "from-env": { value: "NAME", help: "the value of this variable of writ's own environment" },
    "from-file": { value: "PATH", help: "the file's bytes, as they are" },
    raw: { help: "keep the newline at the end of stdin" },
    unmaskable: { help: "store a value that is too short or too common to be hidden in output" },
    "new-vault": { help: "the vault is lost: give its secrets up and begin a new one" },
    workspace: WORKSPACE,
    "if-version": IF_VERSION,
  },
  notes: [
    "Without an option the value is asked for, or read from stdin, where one newline at the end is dropped.",
    "A value given as an argument works, but other users of the machine and your shell's history see it.",
  ],
  examples: [
    "writ secrets set github_token",
    'printf %s "$TOKEN" | writ secrets set github_token',
    "writ secrets set tls/key --from-file key.pem --workspace payments",
  ],
  exits: [3, 4, 78],
  async run(args, context) {
    const { terminal } = context;
    const [key = ""] = args.operands;
    const workspace = args.text("workspace");
    const ifVersion = readVersion(args.text("if-version"));
    await using project = await openProject(context);
    const bytes = await readValue(args, context);
    try {
      const write = { workspace, key, actor: actor(), ...(ifVersion === undefined ? {} : { ifVersion }) };
      const options = { unmaskable: args.flag("unmaskable"), newVault: args.flag("new-vault") };
      const { version, created } = await project.daemon.setSecret(write, bytes, options);
      const scope = scopeName(workspace);
      const all = await project.daemon.listSecrets(undefined);
      const at = all.findIndex((secret) => secret.key === key && secret.scope === scope);
      const users = (await secretUsers(project.daemon, all))[at] ?? [];
      if (terminal.mode.json) {
        terminal.json({ key, scope, version, created, used_by: users });
      } else {
        const used = users.length === 0 ? "no task uses it yet" : `used by ${users.join(", ")}`;
        terminal.line(`stored ${key} v${version} (${scope}) · ${used}`);
      }
      return 0;
    } finally {
      bytes.fill(0);
    }
  },
};

/** The caller wipes the bytes. */
async function readValue(args: Args, { terminal, world, cwd }: Context): Promise<Buffer> {
  const [key = "", given] = args.operands;
  const variable = args.text("from-env");
  const file = args.text("from-file");
  const sources = [given, variable, file].filter((source) => source !== undefined);
  if (sources.length > 1) throw usageError("the value comes from more than one place; give one of them");
  if (args.flag("raw") && sources.length > 0)
    throw usageError("--raw is about stdin, and the value is not read from there");
  if (given !== undefined) {
    terminal.warn(
      "other users of this machine and your shell's history can see the arguments of a command; the value is better given on stdin",
    );
    return Buffer.from(given);
  }
  if (variable !== undefined) {
    const value = world.env[variable];
    if (value === undefined) throw usageError(`there is no variable ${quote(variable)} in the environment`);
    return Buffer.from(value);
  }
  if (file !== undefined) {
    const bytes = await readNamed(file, cwd, MAX_READ_BYTES);
    if (bytes.at(-1) === NEWLINE) terminal.note("the file ends with a newline, which is part of the value");
    return bytes;
  }
  if (world.stdin.isTTY === true) {
    return await terminal.askHidden(
      `value of ${key}`,
      "give it on stdin, or with --from-env NAME or --from-file PATH",
    );
  }
  const bytes = await readAll(world.stdin, "stdin", MAX_READ_BYTES);
  return args.flag("raw") ? bytes : withoutNewline(bytes);
}

function withoutNewline(bytes: Buffer): Buffer {
  if (bytes.at(-1) !== NEWLINE) return bytes;
  return bytes.subarray(0, bytes.at(-2) === RETURN ? -2 : -1);
}
