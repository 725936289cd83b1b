#pragma once

#include <string_view>

#include "platform/core/ctx.h"
#include "platform/rpc/ttheader.h"

// What travels beside a call (docs/wire.md).
namespace sv::rpc {

// The rest of the deadline, which every server may know.
void put_deadline(TtHeader& header, const Ctx& ctx, Deadline now);
// now + the rest that the caller gave, or + `otherwise`; never later than ctx.deadline.
void take_deadline(const TtHeader& header, Ctx& ctx, Deadline now,
                   std::chrono::milliseconds otherwise);

// Who asks, for whom, and how: for peers of the cluster only.
void put_metadata(TtHeader& header, const Ctx& ctx);
// From a peer that may be believed. A text that cannot be what it should is left out.
void take_metadata(const TtHeader& header, Ctx& ctx);

}  // namespace sv::rpc
