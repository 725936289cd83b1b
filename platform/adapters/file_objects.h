#pragma once

#include <filesystem>
#include <memory>

#include "platform/core/error.h"
#include "platform/core/offload.h"
#include "platform/ports/object_store.h"

namespace sv {

// Objects as files below `root`: <root>/<key>; parts on their way in below <root>/.tmp (puts) and
// <root>/.parts (appends). Blocking calls run on `pool`, which must outlive the store and all its
// writers and readers. What an earlier process left in .tmp is removed, unless the folder only is
// to be looked at (`read_only`) while another process serves it.
struct FileObjectsOptions {
  std::filesystem::path root;
  bool read_only = false;
};
Result<std::unique_ptr<ObjectStore>> make_file_objects(FileObjectsOptions options,
                                                       ThreadPool& pool);

}  // namespace sv
