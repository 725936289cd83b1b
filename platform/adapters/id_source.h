#pragma once

#include <memory>
#include <span>
#include <string>

#include "platform/core/error.h"
#include "platform/core/supervisor.h"
#include "platform/ports/clock.h"
#include "platform/ports/id_source.h"
#include "platform/ports/sql.h"

namespace sv {

// The tables of make_id_source, owner "id".
std::span<const sql::Migration> id_migrations();

// Ids of a node (0…127) that is leased in `db`; they are unique among all that lease there. The
// node's row holds the time up to which ids may have been handed out and is written before they
// are: who leases the node next begins after it, so ids stay unique when a process is killed, is
// stopped for longer than its lease, or its clock steps back. Time is the database's. A thread of
// its own keeps 20 s ahead, so next() does not wait for the database; while that is away the ids
// that are left go out, and then next() throws a ErrorException. Told to `supervisor` as `name`.
// Blocks until the first ids can be handed out. All that is referred to must outlive the source.
Result<std::unique_ptr<IdSource>> make_id_source(sql::Database& db, const Clock& clock,
                                                 Supervisor& supervisor,
                                                 const std::string& name = "ids");

}  // namespace sv
