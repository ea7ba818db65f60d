/** Op name → handler: the whole of what a guest can ask for. */
import { AppError } from "../../base/error.ts";
import type { Json } from "../../base/json.ts";
import { quote } from "../../base/text.ts";
import { fetchOps } from "../fetch/host.ts";
import { fsOps } from "../fs/host.ts";
import { kvOps } from "../kv/host.ts";
import { runOps } from "../run/host.ts";
import { secretsOps } from "../secrets/host.ts";
import { tasksOps } from "../tasks/host.ts";
import type { OpContext, OpHandler } from "./ports.ts";

const HANDLERS: ReadonlyMap<string, OpHandler> = new Map(
  Object.entries({ ...fetchOps, ...fsOps, ...kvOps, ...runOps, ...secretsOps, ...tasksOps }),
);

/** Answers one op of a run; what no handler knows is refused. */
export async function answerOp(
  name: string,
  args: Json,
  context: OpContext,
  signal: AbortSignal,
): Promise<Json> {
  const handler = HANDLERS.get(name);
  if (handler === undefined) throw new AppError("OP_INVALID", `there is no op ${quote(name)}`);
  return handler(args, context, signal);
}
