#pragma once

#include <filesystem>
#include <memory>

#include "platform/core/error.h"
#include "platform/ports/search_index.h"

namespace sv {

// Full text in an SQLite FTS5 file of its own, so that no merge of the index holds up a writer of
// the real data; it may be deleted and is then filled again by its owner. Text is folded (NFKC,
// case) and indexed as pairs of neighbouring characters: a query of ≥ 2 characters finds every text
// that contains it, in any script; one character finds texts that contain it too.
Result<std::unique_ptr<SearchIndex>> make_local_search(std::filesystem::path file);

}  // namespace sv
