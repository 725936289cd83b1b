#pragma once

#include <span>
#include <string_view>

namespace sv::gateway {

// A file of web/, embedded at build time (embed_web.py).
struct WebFile {
  std::string_view name, content_type, etag, body, gzip;
};
std::span<const WebFile> web_files();

}  // namespace sv::gateway
