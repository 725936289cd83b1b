#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "gateway/route.h"

namespace sv::gateway {

// The routing table. Immutable after construction.
class Router {
 public:
  struct Match {
    const Route* route = nullptr;  // null and no `allow`: 404; null with `allow`: 405
    std::size_t index = 0;         // of the route in routes()
    std::string_view tail;         // what stands for "{name}"
    std::string_view allow;        // "GET, HEAD, OPTIONS"
  };

  Router();
  Match find(std::string_view method,
             std::string_view path) const;  // HEAD is answered by GET's row
  const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Path {
    std::vector<std::size_t> rows;
    std::string allow;
  };
  const Path* path_of(std::string_view path, std::string_view& tail) const;

  std::vector<Route> routes_;
  std::unordered_map<std::string_view, Path> exact_;
  std::vector<std::pair<std::string_view, Path>> prefixes_;  // longest first, each ending in '/'
};

}  // namespace sv::gateway
