#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>

#include "platform/core/error.h"
#include "platform/core/ids.h"
#include "platform/core/service_set.h"

namespace sv {

using Deadline = std::chrono::steady_clock::time_point;

// Whom the fields that name who acts (`actor` in the IDL) may name.
enum class Actor : unsigned char {
  any,     // a service asks for itself
  caller,  // a person's request: the caller, or nobody (asked as a guest)
  field,   // a trusted peer that sends no metadata: whoever is named is the caller
  none,    // any other peer that sends none
};

// What travels with one request through every service call. Built at the edge, passed by const
// reference, outlives the call.
struct Ctx {
  Deadline deadline = Deadline::max();
  UserId caller{};  // 0: a guest
  Actor actor = Actor::any;
  std::string session;  // sid of the caller's access token, empty for guests
  std::string request_id;
  std::string traceparent;      // W3C Trace Context
  std::string idempotency_key;  // empty: none given
  std::string address;          // the client's, for rate limits and session lists
  std::string user_agent;
  Lang lang = Lang::zh;  // of error texts
  bool moderator = false;
  // The services the caller has just written to, through whichever instance: they read past what
  // they keep in memory. Goes on to every call.
  ServiceSet fresh;
  // Null: nobody keeps the answer.
  std::shared_ptr<std::atomic<bool>> uncertain;
};

// The answer was made without knowing whose it must not show: nobody may keep it.
inline void note_uncertain(const Ctx& ctx) {
  if (ctx.uncertain) ctx.uncertain->store(true);
}

}  // namespace sv
