#include "gateway/playlist.h"

namespace sv::gateway {
namespace {

void append_uri(std::string& out, std::string_view uri, std::string_view query) {
  const auto fragment = uri.find('#');
  const std::string_view address = uri.substr(0, fragment);
  out.append(address).append(address.contains('?') ? "&" : "?").append(query);
  if (fragment != std::string_view::npos) out.append(uri.substr(fragment));
}

// #EXT-X-MAP:URI="init.mp4",…
void append_tag(std::string& out, std::string_view line, std::string_view query) {
  constexpr std::string_view kUri = "URI=\"";
  const auto start = line.find(kUri);
  const auto end = start == std::string_view::npos ? start : line.find('"', start + kUri.size());
  if (end == std::string_view::npos) {
    out.append(line);
    return;
  }
  const auto uri = start + kUri.size();
  out.append(line.substr(0, uri));
  append_uri(out, line.substr(uri, end - uri), query);
  out.append(line.substr(end));
}

template <class F>
std::string each_line(std::string_view text, F append) {
  std::string out;
  out.reserve(text.size() * 2);
  while (!text.empty()) {
    const auto newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    const bool cr = line.ends_with('\r');
    if (cr) line.remove_suffix(1);
    append(out, line);
    if (cr) out += '\r';
    if (newline == std::string_view::npos) break;
    out += '\n';
    text.remove_prefix(newline + 1);
  }
  return out;
}

}  // namespace

std::string sign_playlist(std::string_view playlist, std::string_view query) {
  return each_line(playlist, [query](std::string& out, std::string_view line) {
    if (line.starts_with('#')) append_tag(out, line, query);
    else if (!line.empty()) append_uri(out, line, query);
  });
}

std::string sign_sprite_track(std::string_view vtt, std::string_view query) {
  return each_line(vtt, [query](std::string& out, std::string_view line) {
    if (line.contains("#xywh=")) append_uri(out, line, query);
    else out.append(line);
  });
}

}  // namespace sv::gateway
