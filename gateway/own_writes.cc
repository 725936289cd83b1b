#include "gateway/own_writes.h"

#include <charconv>
#include <chrono>

#include "gateway/edge.h"
#include "gateway/route.h"

namespace sv::gateway {
namespace {

using namespace std::chrono_literals;

// Longer than anything is kept anywhere (docs/adr/0010-ages-in-two-halves.md).
constexpr auto kKept = 1500ms;

std::string key_of(UserId caller) { return "w:" + std::to_string(caller.value); }

}  // namespace

Task<ServiceSet> OwnWrites::of(UserId caller) {
  const std::string key = key_of(caller);
  const auto found = co_await cache_.get_many(std::span(&key, 1));
  if (!found) co_return ServiceSet::all();
  const auto& value = found->front();
  if (!value) co_return ServiceSet{};
  std::uint64_t bits = 0;
  if (std::from_chars(value->data(), value->data() + value->size(), bits).ec != std::errc{})
    co_return ServiceSet::all();
  co_return ServiceSet::from_bits(bits);
}

Task<> OwnWrites::note(UserId caller, ServiceSet wrote) {
  // A cache that does not take it most likely does not give it either, and then everything is read
  // anew.
  (void)co_await cache_.add_bits(key_of(caller), wrote.bits(), kKept);
}

Task<> note_own_write(Call& call) {
  OwnWrites& writes = call.edge.own_writes;
  const UserId caller = call.signed_in ? call.signed_in : call.ctx.caller;
  if (caller && !call.route->writes.empty() && writes.needed())
    co_await writes.note(caller, call.route->writes);
}

}  // namespace sv::gateway
