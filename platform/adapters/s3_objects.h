#pragma once

#include <memory>
#include <string_view>

#include "platform/core/error.h"
#include "platform/core/metrics.h"
#include "platform/core/offload.h"
#include "platform/ports/object_store.h"

namespace sv {

struct S3ObjectsOptions {
  std::string_view url;  // platform/adapters/s3_client.h says its form
  metrics::Registry* metrics = nullptr;
  // Go on without a server that does not answer: it is looked at again before it is first used.
  bool may_be_away = false;
};

// An error's detail says what is wrong with the URL.
Result<> check_s3_url(std::string_view url);

// Blobs in a bucket of any S3 server (MinIO, Versity Gateway, AWS). The bucket is made when it is
// not there, and must be private: one that anyone may read is refused, at the start and before the
// first use. Files for programs are read and written on `disk`.
Result<std::unique_ptr<ObjectStore>> make_s3_objects(S3ObjectsOptions options, ThreadPool& disk);

}  // namespace sv
