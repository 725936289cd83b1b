#pragma once

#include <unordered_map>
#include <vector>

#include "idl/services.h"
#include "platform/core/flat_map.h"
#include "services/parts/last_blocks.h"
#include "services/parts/peer.h"

namespace sv {

enum class Heard : unsigned char { now, before, never };

// How one person looks to another, made of parts of the user and the social service.
struct Person {
  UserBrief brief;
  bool gone = false;        // there is no such account (any more)
  bool blocked = false;     // one of the two blocked the other
  bool muted = false;       // by the viewer
  bool is_private = false;  // the account; true while nobody knows
  bool self = false;
  Heard privacy = Heard::now;  // before: what was heard last, names are missing
  Heard ties = Heard::now;     // before: the last blocks and mutes, nobody is followed

  // What they made is in no list for this viewer. Whose privacy is not known is left out.
  bool hidden() const {
    if (gone || blocked) return true;
    return !self && (privacy == Heard::never || (is_private && !brief.is_follow));
  }
};
using People = FlatMap<UserId, Person>;

// What a service remembers of people's privacy, for when the user service is silent. This one
// remembers nothing. Thread-safe.
class PrivacyMemory {
 public:
  virtual ~PrivacyMemory() = default;
  virtual void learn(UserId, bool /*is_private*/) {}
  virtual Task<std::unordered_map<UserId, bool>> recall(const Ctx& ctx, std::vector<UserId>) {
    co_return std::unordered_map<UserId, bool>{};
  }
};

enum class Purpose : unsigned char { read, write };

// Whoever lists something that people made asks here, once a page: two calls, whatever its length.
// `viewer` 0 is a guest. What forbids fails closed, the rest degrades (docs/architecture.md): while
// the user service is silent privacy is as remembered or not known; while the social service is,
// the last blocks hold and all else is a guest's view. What came about so is noted in ctx.
class PeopleParts {
 public:
  // `memory` outlives this.
  PeopleParts(const Services& services, metrics::Registry& metrics);
  PeopleParts(const Services& services, metrics::Registry& metrics, PrivacyMemory& memory);

  // Every id asked for (0 apart) has an entry.
  Task<People> look_up(const Ctx& ctx, UserId viewer, std::vector<UserId> ids) const;
  // For one thing of theirs. user_unavailable while their privacy is not known; to write, what was
  // heard before is not enough either, and social_unavailable while blocks are not known.
  Task<Result<Person>> look_up_one(const Ctx& ctx, UserId viewer, UserId id,
                                   Purpose purpose = Purpose::read) const;

 private:
  Task<> add_accounts(const Ctx& ctx, UserId viewer, std::vector<UserId> ids, People& out) const;
  Task<> add_ties(const Ctx& ctx, UserId viewer, std::vector<UserId> ids, People& out) const;

  const Services& services_;
  PrivacyMemory& memory_;
  const Peer users_, relations_;
  mutable LastBlocks blocks_;
};

}  // namespace sv
