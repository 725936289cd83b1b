#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "platform/adapters/s3_client.h"
#include "platform/core/error.h"

// The XML that S3 answers with.
namespace sv::s3 {

struct Listing {
  std::vector<ObjectInfo> objects;
  std::string next;  // empty: that was all
};
Result<Listing> listing_of(const std::string& xml);
struct PartListing {
  std::vector<Part> parts;
  std::string next;
};
Result<PartListing> parts_of(const std::string& xml);
struct UploadListing {
  std::vector<Upload> uploads;
  std::string next_key, next_id;
};
Result<UploadListing> uploads_of(const std::string& xml);
Result<std::string> upload_id_of(const std::string& xml);
// "NoSuchKey"; empty: the answer is no error.
std::string error_code_of(const std::string& xml);
std::string completion_of(const std::vector<Part>& parts);

// "2026-01-02T15:04:05.000Z" and "Fri, 02 Jan 2026 15:04:05 GMT"; 0 for what is neither.
std::int64_t time_of(const std::string& text);

}  // namespace sv::s3
