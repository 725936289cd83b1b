#include "platform/adapters/postgres_bulk.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace sv::postgres {
namespace {

constexpr std::size_t kFewest = 8;

std::string_view trim(std::string_view s) {
  const auto begin = s.find_first_not_of(" \n\t");
  if (begin == s.npos) return {};
  return s.substr(begin, s.find_last_not_of(" \n\t") + 1 - begin);
}

// Up to `end`, which goes too; none when it is not there.
std::optional<std::string_view> take_until(std::string_view& text, std::string_view end) {
  const auto at = text.find(end);
  if (at == text.npos) return {};
  const std::string_view out = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return out;
}

std::vector<std::string_view> split(std::string_view list) {
  std::vector<std::string_view> out;
  for (bool more = true; more;) {
    const auto comma = list.find(',');
    more = comma != list.npos;
    out.push_back(trim(list.substr(0, comma)));
    if (more) list.remove_prefix(comma + 1);
  }
  return out;
}

// The n of "$n"; 0: something else.
std::size_t parameter(std::string_view item) {
  std::size_t n = 0;
  if (!item.starts_with('$')) return 0;
  const auto [end, error] = std::from_chars(item.data() + 1, item.data() + item.size(), n);
  return error == std::errc{} && end == item.data() + item.size() ? n : 0;
}

bool is_number(std::string_view item) {
  return !item.empty() && std::ranges::all_of(item, [](char c) { return c >= '0' && c <= '9'; });
}

template <class T>
std::optional<sql::Value> column_of(const std::vector<sql::Params>& rows, std::size_t column) {
  std::vector<T> out;
  out.reserve(rows.size());
  for (const sql::Params& row : rows) {
    const auto* value = std::get_if<T>(&row.values()[column]);
    if (!value) return {};
    out.push_back(*value);
  }
  return sql::Value(std::move(out));
}

}  // namespace

std::optional<BulkInsert> bulk_insert(std::string_view sql, const std::vector<sql::Params>& rows) {
  if (rows.size() < kFewest) return {};
  std::string_view rest = trim(sql);
  if (!rest.starts_with("INSERT INTO ")) return {};
  const auto table = take_until(rest, "(");
  const auto columns = take_until(rest, ")");
  const auto values = take_until(rest, "(");
  const auto items = take_until(rest, ")");
  if (!items || trim(*values) != "VALUES") return {};
  rest = trim(rest);
  if (rest.contains('$') || rest.contains("RETURNING")) return {};

  const std::vector<std::string_view> names = split(*columns);
  std::vector<std::string_view> given(rows[0].values().size());  // the column of each parameter
  std::vector<std::string> selected;
  const std::vector<std::string_view> all = split(*items);
  if (all.size() != names.size()) return {};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::size_t n = parameter(all[i]);
    if (n == 0 && !is_number(all[i])) return {};
    if (n > given.size()) return {};
    if (n > 0) given[n - 1] = names[i];
    selected.push_back(n > 0 ? fmt::format("u.p{}", n) : std::string(all[i]));
  }
  if (std::ranges::find(given, std::string_view()) != given.end()) return {};
  if (std::ranges::any_of(
          rows, [&](const sql::Params& row) { return row.values().size() != given.size(); }))
    return {};

  BulkInsert out;
  std::vector<std::string> lists, aliases;
  for (std::size_t n = 0; n < given.size(); ++n) {
    auto list = column_of<std::int64_t>(rows, n);
    if (!list) list = column_of<std::string>(rows, n);
    if (!list) return {};
    out.lists.add(std::move(*list));
    lists.push_back(fmt::format("${}", n + 1));
    aliases.push_back(fmt::format("p{}", n + 1));
  }
  out.tells = rest == "ON CONFLICT DO NOTHING" ||
              (rest.starts_with("ON CONFLICT (") && rest.ends_with(") DO NOTHING"));
  out.updates = rest.contains("DO UPDATE");
  out.sql = fmt::format("{}({}) SELECT {} FROM unnest({}) AS u({}) {}", *table, *columns,
                        fmt::join(selected, ", "), fmt::join(lists, ", "), fmt::join(aliases, ", "),
                        rest);
  if (out.tells) out.sql += fmt::format(" RETURNING {}", fmt::join(given, ", "));
  return out;
}

std::optional<std::vector<std::size_t>> told_by(const sql::Rows& returned,
                                                const std::vector<sql::Params>& rows) {
  std::vector<std::size_t> out(rows.size(), 0);
  std::size_t at = 0;
  for (std::size_t r = 0; r < returned.size(); ++r, ++at) {
    const auto is_it = [&](const sql::Params& row) {
      for (std::size_t n = 0; n < row.values().size(); ++n)
        if (row.values()[n] != returned.at(r, n)) return false;
      return true;
    };
    while (at < rows.size() && !is_it(rows[at])) ++at;
    if (at == rows.size()) return {};
    out[at] = 1;
  }
  return out;
}

}  // namespace sv::postgres
