#pragma once

#include <filesystem>
#include <memory>

#include "platform/core/error.h"
#include "platform/core/supervisor.h"
#include "platform/ports/clock.h"
#include "platform/ports/id_source.h"

namespace sv {

// Ids of one node (0…127). `state` is a small file that holds the time up to which ids may have
// been handed out: a restart begins after it, so ids stay unique when the process is killed and
// when the clock steps back. A thread of its own keeps that time 20 s ahead, so next() does not
// wait for the disk; when the disk takes nothing the ids that are left go out, and then next()
// throws a std::system_error. The clock and the supervisor must outlive the source.
Result<std::unique_ptr<IdSource>> make_id_source(std::filesystem::path state, int node,
                                                 const Clock& clock, Supervisor& supervisor);

}  // namespace sv
