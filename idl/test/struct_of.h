#pragma once

#include "idl/test/any_struct.h"
#include "platform/rpc/json_codec.h"

namespace sv::test {

// The member of the same name hides the function of the struct's namespace.
template <class T>
void write_json_of(std::string& out, const T& v) {
  write_json(out, v);
}

template <class T>
class StructOf final : public AnyStruct {
 public:
  void fill(Random& random) override { random.fill(value_); }
  bool equals(const AnyStruct& other) const override {
    return value_ == static_cast<const StructOf&>(other).value_;
  }
  void write_json(std::string& out) const override { write_json_of(out, value_); }
  Result<> read_json(std::string_view body) override {
    value_ = {};
    return json::parse_body(body, &json::fill<T>, &value_);
  }
  Result<> read_params(const std::vector<std::pair<std::string, std::string>>& params) override {
    value_ = {};
    return json::parse_params(params, &json::fill<T>, &value_);
  }
  void write_thrift(std::string& out) const override {
    if constexpr (kOnWire) write_struct(out, value_);
  }
  void read_thrift(rpc::Reader& in) override {
    if constexpr (kOnWire) read_struct(in, value_);
  }

  // Read by nothing but RPC: http.thrift's structs have no codec.
  static constexpr bool kOnWire = requires(std::string& out, const T& v) { write_struct(out, v); };

 private:
  T value_{};
};

template <class T>
AnyStruct* new_struct() {
  return new StructOf<T>;
}

}  // namespace sv::test
