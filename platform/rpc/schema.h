#pragma once

#include <span>
#include <string_view>

namespace sv {

// One input in a query. `schema` is JSON Schema 2020-12 text.
struct ParamSchema {
  std::string_view name, schema;
  bool required = false;
};

// Other structs are referred to as #/components/schemas/<name>.
struct NamedSchema {
  std::string_view name, json;
};

// Specialised for each generated struct: `name`, `json`, `params`.
template <class T>
struct SchemaOf;

}  // namespace sv
