/** `writ explain`: what a task may do, in words, for somebody who has to trust it. */
import { BROAD, explainManifest } from "../../manifest/permissions/explain.ts";
import { formatDuration, formatSize } from "../../manifest/units.ts";
import { columns } from "../args.ts";
import type { Command } from "../command.ts";
import { openProject, type LoadedTask } from "../project.ts";

export const explain: Command = {
  name: "explain",
  summary: "Says in words what a task may do, what it takes and what it may use up. Nothing is run.",
  operands: ["<task>"],
  options: {},
  notes: ["A line that begins with BROAD gives so much that it deserves a second look."],
  examples: ["writ explain hello", "writ explain hello --json | jq .authority"],
  exits: [3, 4, 78],
  async run({ operands: [name = ""] }, context) {
    const { terminal, cwd } = context;
    await using project = await openProject(context, name);
    const { tasks } = project.daemon;
    const { id, manifest } = await tasks.load(await tasks.find(name, cwd));
    const authority = explainManifest(manifest, id);
    if (terminal.mode.json) {
      const {
        description,
        limits: { timeoutMs, cpuMs, memoryBytes, logBytes, outputBytes, opsInFlight, ops },
      } = manifest;
      const params = [...manifest.params].map(([param, spec]) => ({ name: param, ...spec }));
      terminal.json({
        task: id,
        description,
        authority,
        params,
        limits: {
          timeout_ms: timeoutMs,
          cpu_ms: cpuMs,
          memory_bytes: memoryBytes,
          log_bytes: logBytes,
          output_bytes: outputBytes,
          ops_in_flight: opsInFlight,
          ops,
        },
      });
      return 0;
    }
    if (manifest.description !== undefined) terminal.line(`${id}: ${manifest.description}`);
    for (const line of authority) terminal.line(line, line.startsWith(BROAD) ? "red" : undefined);
    const params = [...manifest.params].map(([param, spec]) => [`  ${param}`, describeParam(spec)] as const);
    if (params.length > 0) terminal.line("it takes the params:");
    for (const line of columns(params)) terminal.line(line);
    terminal.line(describeLimits(manifest.limits));
    return 0;
  },
};

type ParamSpec = LoadedTask["manifest"]["params"] extends ReadonlyMap<string, infer Spec> ? Spec : never;

function describeParam({ type, required, default: value, enum: allowed, description }: ParamSpec): string {
  const parts: string[] = [type];
  if (allowed !== undefined) parts.push(`one of ${allowed.map((one) => JSON.stringify(one)).join(", ")}`);
  if (required) parts.push("required");
  if (value !== undefined) parts.push(`default ${JSON.stringify(value)}`);
  return description === undefined ? parts.join(", ") : `${parts.join(", ")}: ${description}`;
}

function describeLimits({
  timeoutMs,
  cpuMs,
  memoryBytes,
  logBytes,
  outputBytes,
}: LoadedTask["manifest"]["limits"]): string {
  const [timeout, cpu] = [timeoutMs, cpuMs].map(formatDuration);
  const [memory, log, output] = [memoryBytes, logBytes, outputBytes].map(formatSize);
  return `it may use up ${timeout} of time, ${cpu} of processor, ${memory} of memory, ${log} of log and ${output} of output`;
}
