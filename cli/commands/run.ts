/** `writ run`: one run of one task; its log to stderr, its output to stdout, its end as the exit code. */
import { rfc3339 } from "../../base/clock.ts";
import type { Args } from "../args.ts";
import { columns } from "../args.ts";
import type { Command, Context } from "../command.ts";
import { readInput, readOverrides, readParams } from "../given.ts";
import { actor, openProject, type Daemon, type RunRecord, type TaskPlace } from "../project.ts";
import type { Terminal } from "../terminal.ts";
import { takeInterrupts } from "../world.ts";

/** `docs/cli.md` lists the same. The last three are not ends, and no run is answered in them. */
const EXIT_OF: Readonly<Record<RunRecord["state"], number>> = {
  success: 0,
  failure: 1,
  crashed: 1,
  blocked: 3,
  skipped: 7,
  timeout: 124,
  cancelled: 130,
  queued: 1,
  running: 1,
  waiting: 1,
};

export const run: Command = {
  name: "run",
  summary: "Runs a task once: its log to stderr, its output as JSON to stdout, its end as the exit code.",
  operands: ["<task|folder>"],
  options: {
    param: {
      short: "p",
      value: "K=V",
      many: true,
      help: "a parameter, read as its declared type; K=@FILE takes a file's text, K:=JSON takes JSON",
    },
    env: {
      short: "e",
      value: "NAME[=V]",
      many: true,
      help: "a value for a declared env entry, for this run alone; without =V it is asked for",
    },
    input: { value: "FILE", help: "the run's input, a JSON document; - is stdin" },
    dry: { help: "what the run would get (entry, provider, version), without running it" },
  },
  notes: [
    "A task is named by its id or by its folder. Ctrl-C cancels the run; a second one ends writ at once.",
    "With --json stdout is the run's whole record, its log included.",
  ],
  examples: [
    "writ run hello -p name=Ada",
    "writ run reports/weekly --input order.json | jq .total",
    "writ run deploy -e API_TOKEN      # asks for a value to use instead of the stored one",
    "writ run deploy --dry",
  ],
  exits: [3, 4, 7, 78, 124],
  async run(args, context) {
    const [task = ""] = args.operands;
    await using project = await openProject(context, task);
    const place = await project.daemon.tasks.find(task, context.cwd);
    return await (args.flag("dry") ? dry : execute)(project.daemon, place, args, context);
  },
};

async function execute(daemon: Daemon, place: TaskPlace, args: Args, context: Context): Promise<number> {
  const { terminal, world, cwd } = context;
  const params = await readParams(args.list("param"), cwd);
  const overrides = await readOverrides(args.list("env"), terminal);
  const file = args.text("input");
  const input = file === undefined ? null : await readInput(file, cwd, world.stdin);
  const { MANUAL_TRIGGER } = await import("../../server/daemon.ts");
  using interruption = takeInterrupts(world.signals);
  using progress = terminal.progress(`running ${place.id}`);
  const record = await daemon.run({
    place,
    trigger: MANUAL_TRIGGER,
    params,
    overrides,
    input,
    actor: actor(),
    signal: interruption.signal,
    onLog: ({ level, text }) => terminal.log(level, text),
  });
  progress.stop();
  if (terminal.mode.json) {
    const logs = (await daemon.logs(record.id)).map(({ t, level, text }) => ({ t: rfc3339(t), level, text }));
    terminal.json({ ...record, logs });
  } else {
    if ("output" in record) terminal.json(record.output);
    for (const { message } of record.warnings ?? []) terminal.warn(message);
    tellEnd(record, terminal);
  }
  return EXIT_OF[record.state];
}

/** The last line: how it ended, and why. */
function tellEnd({ state, task, id, error, timings_ms: timings }: RunRecord, terminal: Terminal): void {
  const took = timings?.["total"] === undefined ? "" : `, ${Math.ceil(timings["total"])} ms`;
  terminal.verdict(state === "success", state, `${task} (${id}${took})`);
  if (error !== undefined) terminal.reason(error);
}

/** What a run would be given; nothing of it is shown. */
async function dry(
  daemon: Daemon,
  place: TaskPlace,
  args: Args,
  { terminal, world }: Context,
): Promise<number> {
  const overrides = await readOverrides(args.list("env"), terminal);
  const task = await daemon.tasks.load(place);
  using interruption = takeInterrupts(world.signals);
  const { entries, failures } = await daemon.dry(task, overrides, interruption.signal);
  if (terminal.mode.json) {
    terminal.json({ task: place.id, entries, failures });
  } else {
    const rows = entries.map(({ name, source, state, provider, version }) => {
      const from = provider ?? (source === "value" ? "the manifest" : "nobody");
      const which = version === undefined ? "" : ` v${version}`;
      return [name, state === "found" ? `${from}${which}` : state] as const;
    });
    for (const line of columns(rows)) terminal.line(line);
    if (entries.length === 0) terminal.note("the task declares no environment");
    for (const failure of failures) terminal.reason(failure);
  }
  return failures.length === 0 ? 0 : EXIT_OF.blocked;
}
