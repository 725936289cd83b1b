#pragma once

#include <string>
#include <string_view>

#include "platform/core/ctx.h"
#include "platform/core/task.h"

namespace sv::rpc {

struct Method {
  std::string_view name;
  bool read = false;  // changes nothing: an instance that died over it is no reason to fail
};

// A way to one service. `payload` is a whole Thrift message (head and arguments); the answer is the
// whole reply or exception message. Fails with `unavailable` when nobody could be reached, with
// token `outcome_unknown` when a write was sent and its answer lost, and with `deadline_exceeded`
// when ctx.deadline passed. Any thread.
class Channel {
 public:
  virtual ~Channel() = default;
  virtual Task<Result<std::string>> call(const Ctx& ctx, Method method, std::string payload) = 0;
};

}  // namespace sv::rpc
