#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gateway/call.h"
#include "idl/http.h"
#include "platform/core/error.h"
#include "platform/core/task.h"

namespace sv::gateway {

constexpr std::size_t kJsonLimit = 1 << 20;

// The body of a JSON route: 415 unless it says application/json, 413 beyond kJsonLimit.
Task<Result<std::string>> read_json_body(Call& call);
// Decoded query pairs; 400 query_invalid on a broken escape or text that is not UTF-8.
Result<std::vector<std::pair<std::string, std::string>>> query_pairs(Call& call);

template <class T>
Result<T> read_query(Call& call) {
  SV_TRY(const auto pairs, query_pairs(call));
  return read_params<T>(pairs);
}

}  // namespace sv::gateway
