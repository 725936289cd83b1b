#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "idl/test/random_value.h"
#include "platform/core/error.h"
#include "platform/rpc/thrift.h"

namespace sv::test {

// A value of one generated struct. What is tried on every struct is compiled once, not once a
// struct; the implementations are generated into idl/cases.cc.
class AnyStruct {
 public:
  virtual ~AnyStruct() = default;

  virtual void fill(Random& random) = 0;
  virtual bool equals(const AnyStruct& other) const = 0;  // of the same struct
  virtual void write_json(std::string& out) const = 0;
  virtual Result<> read_json(std::string_view body) = 0;
  virtual Result<> read_params(const std::vector<std::pair<std::string, std::string>>& params) = 0;
  // Only of structs that go over the wire.
  virtual void write_thrift(std::string& out) const = 0;
  virtual void read_thrift(rpc::Reader& in) = 0;
};

struct StructCase {
  std::string_view name;
  AnyStruct* (*create)();

  // Value-initialised.
  std::unique_ptr<AnyStruct> make() const { return std::unique_ptr<AnyStruct>(create()); }
  std::unique_ptr<AnyStruct> random(Random& from) const {
    auto v = make();
    v->fill(from);
    return v;
  }
};

// Every struct of idl/; wire_structs() are those that RPCs carry.
std::span<const StructCase> all_structs();
std::span<const StructCase> wire_structs();

}  // namespace sv::test
