/** A task's authority in plain words, for somebody who has to trust it. */
import { orList, quote } from "../../base/text.ts";
import type { EnvEntry, Manifest, Trigger } from "../manifest.ts";
import { formatDuration } from "../units.ts";
import { describeNetRule, parseNetRule } from "./net.ts";

/** Stands before every line that deserves a second look. */
export const BROAD = "BROAD: ";

const LATER = " (not acting yet: denied)";

/** One line each, without indentation; the first says how much there is to read. */
export function explainManifest(manifest: Manifest, id: string): string[] {
  const { permissions } = manifest;
  const lines = [
    ...permissions.env.map(explainEntry),
    ...permissions.net.map(explainNet),
    ...permissions.fs.map(({ path, access, secrets }) => {
      const verb = { r: "read", w: "write", rw: "read and write" }[access];
      const into = secrets ? ", secrets included" : "";
      return `${isBroadPath(path) || secrets ? BROAD : ""}${verb} ${quote(path)}${into}${LATER}`;
    }),
    ...permissions.run.map(({ program, args, network, env }) => {
      const what = program === "*" ? "every program" : `${quote(program)} ${args.join(" ")}`.trimEnd();
      const online = network ? ", with an unfiltered network" : "";
      const raw = env.filter((variable) => variable.raw).map(({ name }) => name);
      const shown = raw.length === 0 ? "" : `, showing ${raw.join(", ")} in the process table`;
      const broad = program === "*" || network || raw.length > 0 || args.includes("**");
      return `${broad ? BROAD : ""}start ${what}${online}${shown}${LATER}`;
    }),
    ...explainWrit(manifest),
  ];
  const kv = permissions.writ.kv ? "its own key-value store" : undefined;
  const authority =
    lines.length === 0
      ? [
          `${id} may do nothing${kv === undefined ? "" : ` but use ${kv}`}: no environment, no network, no files, no programs`,
        ]
      : [`${id} may:`, ...lines, ...(kv === undefined ? [] : [`use ${kv}`])];
  const scope =
    manifest.workspace === undefined
      ? []
      : [`it looks secrets up in the workspace ${quote(manifest.workspace)} first, then in the global ones`];
  return [...authority, ...scope, ...explainTriggers(manifest.triggers)];
}

function explainEntry({ name, source, deliver, hosts, in: places, onMissing }: EnvEntry): string {
  const missing =
    onMissing === "block" ? "" : onMissing === "empty" ? ", empty when missing" : ", absent when missing";
  switch (source.kind) {
    case "value":
      return `see ${name}, a literal value`;
    case "host": {
      const what = source.sensitive ? "sensitive " : "";
      return `see ${name}, the daemon's ${what}variable ${source.variable}${missing}${delivery(deliver, hosts, places)}`;
    }
    case "secret":
      return `${use(deliver)} ${name}, the secret ${quote(source.key)}${missing}${delivery(deliver, hosts, places)}`;
    case "uri":
      return `${use(deliver)} ${name}, the secret ${quote(source.uri)}${missing}${delivery(deliver, hosts, places)}`;
    case "provider":
      return `${use(deliver)} ${name}, the secret ${quote(source.key)} of the provider ${source.provider}${missing}${delivery(deliver, hosts, places)}`;
  }
}

function use(deliver: EnvEntry["deliver"]): string {
  return deliver === "sealed" ? "use without seeing" : "see";
}

function delivery(deliver: EnvEntry["deliver"], hosts: readonly string[], places: readonly string[]): string {
  if (deliver === "env") return "";
  if (deliver === "file") return ", as a file (not acting yet: the run is blocked)";
  return `, sent only to ${orList(hosts)} in a ${orList(places)} (not acting yet: the run is blocked)`;
}

function explainNet(line: string): string {
  const parsed = parseNetRule(line);
  if (!parsed.ok) return `nothing by the malformed line ${quote(line)}`;
  const { text, broad } = describeNetRule(parsed.rule);
  return `${broad ? BROAD : ""}${text}${LATER}`;
}

function explainWrit({ permissions: { writ } }: Manifest): string[] {
  const lines: string[] = [];
  const { secretsWrite } = writ;
  if (secretsWrite === true)
    lines.push(`${BROAD}set and delete every secret of its scope, without reading any`);
  else if (secretsWrite.length > 0) {
    const every = secretsWrite.some((glob) => /^[*/]+$/.test(glob));
    lines.push(
      `${every ? BROAD : ""}set and delete the secrets ${secretsWrite.join(", ")}, without reading any`,
    );
  }
  if (writ.tasks.length > 0) {
    const every = writ.tasks.some((glob) => /^[*/]+$/.test(glob));
    lines.push(`${every ? BROAD : ""}start the tasks ${writ.tasks.join(", ")}${LATER}`);
  }
  if (writ.listTasks) lines.push(`list tasks${LATER}`);
  if (writ.getRuns) lines.push(`read runs${LATER}`);
  return lines;
}

function explainTriggers(triggers: readonly Trigger[]): string[] {
  const lines = triggers
    .filter(({ kind }) => kind !== "manual")
    .map((trigger) => `${explainTrigger(trigger)} (not acting yet)`);
  return lines.length === 0 ? ["it is started by hand"] : ["it is started by hand", ...lines];
}

function explainTrigger(trigger: Trigger): string {
  switch (trigger.kind) {
    case "cron": {
      const { schedule, timezone } = trigger;
      if ("cron" in schedule)
        return `and by the schedule ${quote(schedule.cron)}${timezone === undefined ? "" : ` in ${timezone}`}`;
      return "at" in schedule
        ? `and at ${new Date(schedule.at).toISOString()}`
        : `and every ${formatDuration(schedule.everyMs)}`;
    }
    case "webhook":
      return trigger.verify.scheme === "none"
        ? `${BROAD}and by anybody who can reach ${trigger.path}: the hook is OPEN`
        : `and by requests to ${trigger.path} that pass ${trigger.verify.scheme} verification`;
    case "chain":
      return `and after ${trigger.after} (${trigger.on})`;
    case "secret":
      return `and after a new version of ${trigger.keys.join(", ")}`;
    case "manual":
      return "by hand";
  }
}

function isBroadPath(path: string): boolean {
  return ["/", "~", "~/", ".", "./", "${PROJECT_DIR}", "${PROJECT_DIR}/"].includes(path);
}
