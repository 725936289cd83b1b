#pragma once

#include <filesystem>
#include <memory>

#include "platform/core/error.h"
#include "platform/core/offload.h"
#include "platform/ports/object_store.h"

namespace sv {

// Objects as files below `root`: <root>/<key>; parts on their way in below <root>/.tmp (puts, in a
// folder of each process) and <root>/.parts (appends). Any number of processes may share a root.
// Blocking calls run on `pool`, which must outlive the store and all its writers and readers. What
// a dead process left in .tmp is removed, unless the folder only is to be looked at (`read_only`).
struct FileObjectsOptions {
  std::filesystem::path root;
  bool read_only = false;
};
Result<std::unique_ptr<ObjectStore>> make_file_objects(FileObjectsOptions options,
                                                       ThreadPool& pool);

}  // namespace sv
