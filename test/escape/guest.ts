/** Source for attacks: what a task would do with a function or an object of the host's, if it got one. */

/**
 * `hostIn(value)` says what of the host can be reached from a value, undefined = nothing; `holds(values)` collects
 * that over many.
 */
export const HOST_IN = String.raw`
  const IVM = new Set(["Isolate", "Context", "Reference", "ExternalCopy", "Callback", "Script", "Module", "InspectorSession"]);
  const reach = (F) => {
    const tell = (code) => { try { return F(code)(); } catch { return undefined; } };
    if (tell("return globalThis") !== globalThis) return "another global";
    const process = tell("return process");
    for (const key of ["binding", "mainModule", "dlopen", "version", "pid", "kill", "_linkedBinding", "getBuiltinModule"])
      if (process?.[key] !== undefined) return "process." + key;
    for (const name of ["require", "module", "global", "Buffer", "setImmediate", "__dirname", "WebAssembly"])
      if (tell("return typeof " + name) !== "undefined") return name;
    return undefined;
  };
  const hostIn = (value) => {
    if ((typeof value !== "object" && typeof value !== "function") || value === null) return undefined;
    for (let step = value, depth = 0; step !== null && depth < 20; step = Object.getPrototypeOf(step), depth++) {
      let maker;
      try { maker = step.constructor; } catch { continue; }
      if (typeof maker !== "function") continue;
      if (IVM.has(maker.name) && !Object.hasOwn(globalThis, maker.name)) return "a class " + maker.name;
      const F = maker.constructor;
      if (typeof F === "function" && F !== Function && !(F.prototype instanceof Function)) {
        const found = reach(F);
        if (found !== undefined) return found;
      }
      if (F === Function && reach(F) !== undefined) return reach(F);
    }
    return undefined;
  };
  const holds = (values) => values.map((value) => hostIn(value)).filter((found) => found !== undefined);
`;
