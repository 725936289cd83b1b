#include "gateway/router.h"

#include <algorithm>

namespace sv::gateway {

Router::Router() {
  const auto add = [this](std::span<const Route> part, ServiceSet writes = {}) {
    for (Route route : part) {
      if (route.method != "GET") route.writes = writes;
      routes_.push_back(route);
    }
  };
  add(user_routes(), {Service::user});
  add(video_routes(), {Service::video});
  add(social_routes(), {Service::social});
  add(interaction_routes(), {Service::interaction});
  add(message_routes(), {Service::message});
  add(upload_routes(), {Service::video});
  add(avatar_routes(), {Service::user});
  add(media_routes());
  add(platform_routes());
  add(web_routes());
  std::unordered_map<std::string_view, Path> prefixes;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    const std::string_view path = routes_[i].path;
    const auto brace = path.find('{');
    Path& entry = brace == std::string_view::npos ? exact_[path] : prefixes[path.substr(0, brace)];
    entry.rows.push_back(i);
    entry.allow.append(routes_[i].method).append(", ");
    if (routes_[i].method == "GET") entry.allow += "HEAD, ";
  }
  for (auto& [path, entry] : exact_) entry.allow += "OPTIONS";
  for (auto& [path, entry] : prefixes) {
    entry.allow += "OPTIONS";
    prefixes_.emplace_back(path, std::move(entry));
  }
  std::ranges::sort(prefixes_,
                    [](const auto& a, const auto& b) { return a.first.size() > b.first.size(); });
}

const Router::Path* Router::path_of(std::string_view path, std::string_view& tail) const {
  if (const auto it = exact_.find(path); it != exact_.end()) return &it->second;
  for (const auto& [prefix, entry] : prefixes_)
    if (path.size() > prefix.size() && path.starts_with(prefix)) {
      tail = path.substr(prefix.size());
      return &entry;
    }
  return nullptr;
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match match;
  const Path* entry = path_of(path, match.tail);
  if (!entry) return match;
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  for (std::size_t i : entry->rows)
    if (routes_[i].method == wanted) {
      match.route = &routes_[i];
      match.index = i;
      return match;
    }
  match.allow = entry->allow;
  return match;
}

}  // namespace sv::gateway
