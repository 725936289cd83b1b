#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv {

struct SearchDocument {
  std::int64_t id = 0;
  std::int64_t revision = 0;  // an older revision never overwrites a newer one
  std::string title;          // weighs more
  std::string body;           // description, tags
  double boost = 1;           // popularity × freshness, set by the owner
};

struct SearchHits {
  std::vector<std::int64_t> ids;  // best first
  std::int64_t total = 0;
};

// A rebuildable full-text index of one kind of entity. Any substring of ≥ 2 characters is found,
// `%`, `_` and `*` are letters, and what holds the query as it was typed comes before what merely
// has its letters.
// Thread-safe.
class SearchIndex {
 public:
  virtual ~SearchIndex() = default;
  virtual Task<Result<>> upsert(std::vector<SearchDocument> documents) = 0;
  virtual Task<Result<>> remove(std::vector<std::int64_t> ids, std::int64_t revision) = 0;
  virtual Task<Result<SearchHits>> search(std::string query, std::int64_t offset,
                                          std::int64_t limit) = 0;
  // Whether its owner has brought in everything that there was when the index was new: set_filled()
  // says so. An index that was lost comes back empty and not filled; events alone tell of what
  // changes.
  virtual Task<Result<bool>> filled() = 0;
  virtual Task<Result<>> set_filled() = 0;
};

}  // namespace sv
