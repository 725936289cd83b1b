#!/usr/bin/env python3
"""Test support from the IDL.

cases: random values of every struct and lists of the structs. reference: copies of the IDL for the Apache compiler, in a namespace of
their own; --original leaves out what we added, the fields with ids from 101.
"""

import argparse
import os
import re
import sys


def cases(args):
    sys.path.insert(0, args.idlgen)
    from idlgen import parse
    modules = [parse(args.thrift, f)[1] for f in args.files]
    on_wire = [m for m in modules if m.on_wire]
    lines = [f'#include "idl/{m.name}.h"' for m in modules] + ["", '#include "idl/test/struct_of.h"', ""]
    for m in modules:
        lines += [f"namespace {m.namespace} {{"]
        for s in m.structs:
            lines.append(f"static void randomize(test::Random& r, {s.name}& v) {{")
            lines += [f"  r.fill(v.{f.cpp});" for f in s.fields] or ["  (void)r, (void)v;"]
            lines.append("}")
        lines.append(f"}}  // namespace {m.namespace}")
    lines += ["namespace sv::test {"]
    for function, chosen in (("all_structs", modules), ("wire_structs", on_wire)):
        lines += [f"std::span<const StructCase> {function}() {{", "  static const StructCase kAll[] = {"]
        lines += [f'      {{"{s.name}", &new_struct<{m.namespace}::{s.name}>}},' for m in chosen for s in m.structs]
        lines += ["  };", "  return kAll;", "}"]
    lines += ["}  // namespace sv::test"]
    save(args.out, "\n".join(lines) + "\n")
    # The Apache compiler's name of each struct on the wire, in the order of wire_structs().
    names = [(m.namespace.removeprefix("sv").removeprefix("::") + "::").removeprefix("::") + s.name for m in on_wire for s in m.structs]
    save(args.names, "#define SV_EVERY_WIRE_STRUCT(X)" + "".join(f" \\\n  X({n})" for n in names) + "\n")


def reference(args):
    os.makedirs(args.out, exist_ok=True)
    for path in args.files:
        with open(path, encoding="utf-8") as f:
            text = re.sub(r"^namespace cpp sv", f"namespace cpp {args.namespace}", f.read(), flags=re.M)
        if args.original:
            text = re.sub(r"^\s*1\d\d:.*\n", "", text, flags=re.M)
        save(os.path.join(args.out, os.path.basename(path)), text)


def save(path, text):
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            if f.read() == text:
                return
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["cases", "reference"])
    p.add_argument("--idlgen")
    p.add_argument("--thrift")
    p.add_argument("--namespace")
    p.add_argument("--original", action="store_true")
    p.add_argument("--out", required=True)
    p.add_argument("--names")
    p.add_argument("files", nargs="+")
    args = p.parse_args()
    (cases if args.what == "cases" else reference)(args)


if __name__ == "__main__":
    main()
