#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "platform/core/ids.h"
#include "platform/core/task.h"
#include "platform/ports/clock.h"
#include "platform/ports/object_store.h"
#include "platform/ports/sql.h"
#include "services/parts/drift.h"

namespace sv::video {

enum class FsckMode : unsigned char { report, repair };

struct FsckFinding {
  std::string kind;  // orphan_object, missing_object, wrong_size, stale_upload, unpurged_object,
                     // video_without_asset, broken_video, job_without_subject
  std::string key;   // object key or id
  std::string detail;
  bool repaired = false;
};

struct FsckReport {
  std::vector<FsckFinding> findings;  // empty: clean
  std::int64_t objects = 0;
  std::int64_t bytes = 0;
  std::map<std::int64_t, std::int64_t> bytes_by_user;
};

// Compares the ledger with the objects and the rows with each other. May run while the service
// serves: uploads younger than an hour are not findings. Repair removes what nobody owns, and fails
// videos whose bytes are gone so that nothing points at nothing.
Task<Result<FsckReport>> fsck(sql::Database& db, ObjectStore& objects, const Clock& clock,
                              FsckMode mode);

// The objects without which this database is not whole: what a backup holds beside it. Those that
// are still being written are not among them, recovery takes them back.
struct NeededObject {
  std::string key;
  std::optional<std::int64_t> bytes;  // unset: the ledger does not say yet
};
Task<Result<std::vector<NeededObject>>> needed_objects(sql::Database& db);

// Everyone whose data are in this service's tables: of them `shortvideo fsck` asks whether their
// accounts exist.
Task<Result<std::vector<UserId>>> users_in(sql::Database& db);

// Counters that are not what their rows say: none.
Task<Result<std::vector<Drift>>> find_drift(sql::Database& db);

}  // namespace sv::video
