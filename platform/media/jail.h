#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sv::media {

struct JailLimits {
  std::int64_t address_space = 6LL << 30;
  std::int64_t file_bytes = 64LL << 20;  // of each file written
  std::chrono::seconds cpu{60};          // of all threads together
};

struct Jail {
  bool enabled = true;
  std::filesystem::path folder;  // the only thing that can be written; the working directory
  std::filesystem::path source;  // one file, read-only; may be empty

  // What the program calls the source: an ffmpeg URL that cannot be taken for another protocol or
  // an option.
  std::string source_url() const;
  // The command line that runs `program` inside. With the jail off, the limits and the death with
  // the parent remain.
  std::vector<std::string> wrap(const JailLimits& limits, std::vector<std::string> program) const;
};

}  // namespace sv::media
