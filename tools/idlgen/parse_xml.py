"""The XML of `thrift --gen xml:merge` as plain objects."""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field

NS = "{http://thrift.apache.org/xml/idl}"
BASES = {
    "bool": "bool", "i8": "std::int8_t", "byte": "std::int8_t", "i16": "std::int16_t", "i32": "std::int32_t",
    "i64": "std::int64_t", "double": "double", "string": "std::string", "binary": "std::string",
}
KEYWORDS = set(
    "alignas alignof and asm auto bool break case catch char class const continue default delete do double else enum explicit export "
    "extern false float for friend goto if inline int long mutable namespace new not operator or private protected public register "
    "requires return short signed sizeof static struct switch template this throw true try typedef typename union unsigned using "
    "virtual void volatile while xor".split())
ANNOTATIONS = {"must", "len", "bytes", "range", "cap", "pattern", "one_of", "json", "omit", "actor", "shared"}
STRUCT_ANNOTATIONS = {"topic", "key"}
# What a method's name begins with when it changes nothing: it may be asked again, elsewhere.
READS = ("Get", "BatchGet", "Check", "BatchCheck", "Search", "List", "Verify", "Authorize")


class IdlError(Exception):
    pass


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


def cpp_name(name):
    name = snake(name)
    return name + "_" if name in KEYWORDS else name


@dataclass
class Type:
    kind: str                      # a base type's name, "id", "struct", "list", "set" or "map"
    cpp: str
    name: str = ""                 # of a struct or id
    module: str = ""
    args: list = field(default_factory=list)


@dataclass
class Field:
    id: int
    name: str
    type: Type
    optional: bool
    default: str | None
    notes: dict
    doc: str

    @property
    def cpp(self):
        return cpp_name(self.name)


@dataclass
class Struct:
    name: str
    module: str
    fields: list
    doc: str
    has_base: bool = False         # carries a BaseResp, which is not a member
    notes: dict = field(default_factory=dict)

    @property
    def wrapper(self):
        return self.name.endswith(("Req", "Resp"))

    @property
    def actor(self):
        """The field that names who acts, or None."""
        return next((f for f in self.fields if "actor" in f.notes), None)

    def json_name(self, f):
        return f.notes.get("json") or (snake(f.name) if self.wrapper else f.name)

    def json_fields(self):
        return [f for f in self.fields if f.notes.get("json") != "-"]

    def always_printed(self, f):
        return not f.optional or (f.id >= 101 and not self.wrapper and "omit" not in f.notes)


@dataclass
class Method:
    name: str
    arg: Field | None
    returns: Type
    plain: bool = False            # only says how it ended

    @property
    def cpp(self):
        return cpp_name(self.name)

    @property
    def reads(self):
        return self.name.startswith(READS)


@dataclass
class Module:
    name: str
    includes: list
    ids: list
    structs: list
    service: str
    methods: list

    @property
    def namespace(self):
        return "sv" if self.name == "common" else "sv::" + self.name

    @property
    def on_wire(self):
        return bool(self.service) or self.name == "common"


class Parser:
    def __init__(self, path):
        self.documents = {d.get("name"): d for d in ET.parse(path).getroot().findall(NS + "document")}
        self.structs = {}
        self.base_ids = {}             # (module, struct) → id of its BaseResp

    def module(self, name):
        doc = self.documents[name]
        for other in doc.findall(NS + "include"):
            if other.get("name") in self.documents:
                self.read_structs(other.get("name"))
        structs = self.read_structs(name)
        services = doc.findall(NS + "service")
        if len(services) > 1:
            raise IdlError(f"{name}: one service a file")
        if doc.findall(NS + "enum") or doc.findall(NS + "const"):
            raise IdlError(f"{name}: enums and constants are not supported; use a string with one_of")
        methods = [self.method(name, m) for s in services for m in s.findall(NS + "method")]
        return Module(name, [i.get("name") for i in doc.findall(NS + "include")],
                      [t.get("name") for t in doc.findall(NS + "typedef") if t.get("type") == "i64"],
                      structs, services[0].get("name") if services else "", methods)

    def read_structs(self, module):
        found = [self.struct(module, s) for s in self.documents[module].findall(NS + "struct")]
        self.structs.update({(s.module, s.name): s for s in found})
        return found

    def struct(self, module, node):
        fields = [self.field(module, f) for f in node.findall(NS + "field")]
        members = [f for f in fields if f.type.name != "BaseResp"]
        for f in fields:
            if f.type.name == "BaseResp":
                self.base_ids[(module, node.get("name"))] = f.id
        if sum("actor" in f.notes for f in members) > 1:
            raise IdlError(f"{module}: struct {node.get('name')}: one field names the actor")
        notes = {a.get("key"): a.get("value") for a in node.findall(NS + "annotation")}
        if set(notes) not in (set(), STRUCT_ANNOTATIONS):
            raise IdlError(f"{module}: struct {node.get('name')}: an event has a topic and a key, other structs no annotations")
        return Struct(node.get("name"), module, members, node.get("doc", ""), len(members) < len(fields), notes)

    def field(self, module, node):
        notes = {a.get("key"): a.get("value") for a in node.findall(NS + "annotation")}
        where = f"{module}: field {node.get('name')}"
        if unknown := set(notes) - ANNOTATIONS:
            raise IdlError(f"{where}: unknown annotation {', '.join(sorted(unknown))}")
        t = self.type(module, node)
        if "shared" in notes:
            if t.kind != "string":
                raise IdlError(f"{where}: only a string can be shared")
            t = Type(t.kind, "sv::Text")
        if "actor" in notes and t.name != "UserId":
            raise IdlError(f"{where}: the actor is a UserId")
        if t.kind == "binary" and notes.get("json") != "-":
            raise IdlError(f'{where}: binary has no JSON form; annotate it (json = "-")')
        default = node.find(NS + "default")
        value = None
        if default is not None:
            child = default[0]
            value = child.text or ""
            if t.kind == "string":
                value = quote(value)
            elif t.kind == "bool":
                value = "true" if value in ("1", "true") else "false"
            elif t.kind not in BASES:
                raise IdlError(f"{where}: only base types have defaults")
        return Field(int(node.get("field-id")), node.get("name"), t, node.get("required") == "optional", value, notes, node.get("doc", ""))

    def type(self, module, node):
        kind = node.get("type")
        if kind in BASES:
            return Type(kind, BASES[kind])
        if kind == "list" or kind == "set":
            inner = self.type(module, node.find(NS + "elemType"))
            return Type(kind, f"std::{'vector' if kind == 'list' else 'set'}<{inner.cpp}>", args=[inner])
        if kind == "map":
            args = [self.type(module, node.find(NS + n)) for n in ("keyType", "valueType")]
            return Type(kind, f"sv::FlatMap<{args[0].cpp}, {args[1].cpp}>", args=args)
        home, name = node.get("type-module"), node.get("type-id")
        for t in self.documents[home].findall(NS + "typedef"):
            if t.get("name") == name:
                return Type("id", f"sv::{name}", name, home) if t.get("type") == "i64" else self.type(home, t)
        if not any(s.get("name") == name for s in self.documents[home].findall(NS + "struct")):
            raise IdlError(f"{module}: {name} is not a struct or typedef")
        space = "sv" if home == "common" else "sv::" + home
        return Type("struct", f"{space}::{name}", name, home)

    def method(self, module, node):
        args = node.findall(NS + "arg")
        returns = node.find(NS + "returns")
        if len(args) > 1 or returns is None or returns.get("type") is None:
            raise IdlError(f"{module}.{node.get('name')}: a method has at most one argument and a result")
        t = self.type(module, returns)
        struct = self.structs.get((t.module, t.name))
        plain = t.name == "BaseResp" or bool(struct and struct.has_base and not struct.fields)
        return Method(node.get("name"), self.field(module, args[0]) if args else None, t, plain)

    def has_base(self, t):
        return t.kind == "struct" and (t.name == "BaseResp" or self.structs[(t.module, t.name)].has_base)


def quote(s):
    """A C++ string literal."""
    return '"' + s.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
