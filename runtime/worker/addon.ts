/** Loads isolated-vm from a path the daemon resolved, then gives every permission of the process back. */
import type ivm from "isolated-vm";

/** Scopes of Node's permission model; none is needed once the addon is in. */
const SCOPES = ["fs.read", "fs.write", "addon", "child", "worker", "inspector", "wasi"] as const;

export type IsolatedVm = typeof ivm;

/** `drop` is younger than the type declarations. */
interface Permission {
  has(scope: string): boolean;
  drop?(scope: string): void;
}

/** Throws when the addon does not load or a permission can not be dropped: a worker without its fence must not run. */
export function loadAddonAndDropPermissions(path: string): IsolatedVm {
  const holder: { exports: { ivm?: IsolatedVm } } = { exports: {} };
  process.dlopen(holder, path);
  const addon = holder.exports.ivm;
  if (addon === undefined) throw new Error("the addon exports no isolated-vm");
  const permission: Permission | undefined = process.permission;
  if (permission?.drop === undefined) throw new Error("the permission model is off");
  for (const scope of SCOPES) {
    permission.drop(scope);
    if (permission.has(scope)) throw new Error(`permission ${scope} could not be dropped`);
  }
  return addon;
}
