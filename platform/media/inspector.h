#pragma once

#include "platform/media/jailed_tools.h"

namespace sv::media {

// Finds out what a source is.
class Inspector : protected JailedTools {
 protected:
  using JailedTools::JailedTools;

  enum class Look { headers, packets };
  // Every job starts here: magic bytes, the container's own boxes, ffprobe, the limits. Never
  // trusts what an earlier job saw. The packets are read where they are asked for, and where only
  // they tell which stream is the film.
  Task<Result<Source>> inspect(const std::filesystem::path& source, const WorkFolder& work,
                               Look look);

 private:
  enum class Sound { none, plain, odd };
  Result<> check_limits(const Source& seen) const;
  Task<Result<Tracks>> read_packets(const std::filesystem::path& source, const WorkFolder& work,
                                    const commands::Input& in);
  // Whether a stream can be heard, and whether it is what its header says: AAC that doubles its
  // rate or its channels while it is decoded (HE-AAC) need not say so.
  Task<Result<Sound>> hear(const std::filesystem::path& source, const WorkFolder& work,
                           const commands::Input& in, int stream);
  Task<Result<Container>> sniff_file(std::filesystem::path source);
};

}  // namespace sv::media
