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
    lines = [f'#include "idl/{m.name}.h"' for m in modules] + ["", '#include "idl/test/random_value.h"', ""]
    for m in modules:
        lines += [f"namespace {m.namespace} {{"]
        for s in m.structs:
            lines.append(f"inline void randomize(test::Random& r, {s.name}& v) {{")
            lines += [f"  r.fill(v.{f.cpp});" for f in s.fields] or ["  (void)r, (void)v;"]
            lines.append("}")
        lines.append(f"}}  // namespace {m.namespace}")
    for macro, chosen in (("SV_EVERY_STRUCT", modules), ("SV_EVERY_WIRE_STRUCT", [m for m in modules if m.on_wire])):
        lines.append(f"#define {macro}(X)" + "".join(f" \\\n  X({m.namespace}::{s.name}, {m.namespace.removeprefix('sv::') if m.name != 'common' else ''}"
                                                      f"{'::' if m.name != 'common' else ''}{s.name})" for m in chosen for s in m.structs))
    save(args.out, "\n".join(lines) + "\n")


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
    p.add_argument("files", nargs="+")
    args = p.parse_args()
    (cases if args.what == "cases" else reference)(args)


if __name__ == "__main__":
    main()
