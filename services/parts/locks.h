#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "platform/ports/sql.h"

namespace sv {

// What a work at READ COMMITTED relies on, locked at once and in one order, so that no two works
// wait for each other in a circle. Who only adds shares (the video is not gone), who ends something
// excludes. A kind has 64 locks that its things share: a batch about a thousand videos takes no
// more, and who ends one waits for the batches under way, which are short.
class Locks {
 public:
  void share(std::string_view kind, std::int64_t id) { held_.try_emplace(stripe(kind, id)); }
  void exclude(std::string_view kind, std::int64_t id) {
    held_[stripe(kind, id)] = sql::LockMode::exclusive;
  }
  // The first thing that the work does.
  Result<> take(sql::Tx& tx) const {
    for (const auto& [thing, mode] : held_) SV_CHECK(tx.lock(thing.first, thing.second, mode));
    return {};
  }

 private:
  using Thing = std::pair<std::string_view, std::int64_t>;
  static Thing stripe(std::string_view kind, std::int64_t id) {
    // The low bits of an id are a sequence that begins anew with each tick: fold the time in.
    return {kind, (id ^ id >> 17) & 63};
  }
  std::map<Thing, sql::LockMode> held_;
};

}  // namespace sv
