#pragma once

#include <unordered_map>
#include <vector>

#include "idl/services.h"
#include "platform/core/metrics.h"

namespace sv {

// How one person looks to another, made of parts of the user and the social service.
struct Person {
  UserBrief brief;
  bool gone = false;        // there is no such account (any more)
  bool blocked = false;     // one of the two blocked the other
  bool muted = false;       // by the viewer
  bool is_private = false;  // the account
  bool self = false;

  // What they made is in no list for this viewer.
  bool hidden() const { return gone || blocked || (is_private && !brief.is_follow && !self); }
};
using People = std::unordered_map<UserId, Person>;

// Whoever lists something that people made asks here, once a page: two calls, whatever its length.
// `viewer` 0 is a guest. Every id asked for (0 apart) has an entry. An absent or failing owner
// hides nobody; it is counted in shortvideo_parts_absent_total.
// Counts the lists that were composed without the part of an absent or failing owner.
metrics::Counter& absent_parts(metrics::Registry& metrics, std::string_view owner);

class PeopleParts {
 public:
  PeopleParts(const Services& services, metrics::Registry& metrics);
  Task<People> look_up(const Ctx& ctx, UserId viewer, std::vector<UserId> ids) const;
  Task<Person> look_up_one(const Ctx& ctx, UserId viewer, UserId id) const;

 private:
  const Services& services_;
  metrics::Counter& absent_users_;
  metrics::Counter& absent_relations_;
};

}  // namespace sv
