#include "platform/adapters/local_search.h"

#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include "platform/adapters/sqlite.h"
#include "platform/text/text.h"

namespace sv {
namespace {

constexpr std::string_view kCreate = R"sql(
CREATE TABLE search_documents (id {id}, revision {int} NOT NULL, removed {bool} NOT NULL, boost double precision NOT NULL);
CREATE VIRTUAL TABLE search_text USING fts5 (title, body, tokenize = 'ascii');
)sql";
constexpr std::string_view kCreateFilled =
    "CREATE TABLE search_filled (id {id});";  // one row: it is
// Other tokens than before: the index begins empty, its owner fills it again.
constexpr std::string_view kLetters = R"sql(
DELETE FROM search_filled;
DELETE FROM search_documents;
DELETE FROM search_text;
ALTER TABLE search_documents ADD COLUMN folded {text} NOT NULL DEFAULT '';
)sql";
constexpr std::array kMigrations{sql::Migration{"search/0001_index.sql", kCreate},
                                 sql::Migration{"search/0002_filled.sql", kCreateFilled},
                                 sql::Migration{"search/0003_letters.sql", kLetters}};

// FTS5 parses an expression recursively: words after these do not narrow the result further.
constexpr std::size_t kMaxRuns = 32;

// No row back: a newer revision is there already.
constexpr std::string_view kClaim = R"(
    INSERT INTO search_documents (id, revision, removed, boost, folded)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, removed = excluded.removed,
        boost = excluded.boost, folded = excluded.folded
    WHERE search_documents.revision <= excluded.revision
    RETURNING id)";
constexpr std::string_view kForget = "DELETE FROM search_text WHERE rowid = $1";
constexpr std::string_view kAdd =
    "INSERT INTO search_text (rowid, title, body) VALUES ($1, $2, $3)";
// bm25 is negative: better is smaller. A word of the title counts as four of the body.
constexpr std::string_view kSearch = R"(
    SELECT t.rowid
    FROM search_text t
    JOIN search_documents d ON d.id = t.rowid
    WHERE search_text MATCH $1
    ORDER BY bm25(search_text, 4.0, 1.0) * d.boost, t.rowid DESC
    LIMIT $2 OFFSET $3)";
// Of these, what holds the whole text $4 comes first.
constexpr std::string_view kSearchTyped = R"(
    SELECT t.rowid
    FROM search_text t
    JOIN search_documents d ON d.id = t.rowid
    WHERE search_text MATCH $1
    ORDER BY instr(d.folded, $4) = 0, bm25(search_text, 4.0, 1.0) * d.boost, t.rowid DESC
    LIMIT $2 OFFSET $3)";
constexpr std::string_view kCount = "SELECT count(*) FROM search_text WHERE search_text MATCH $1";
constexpr std::string_view kFilled = "SELECT id FROM search_filled";
constexpr std::string_view kSetFilled =
    "INSERT INTO search_filled (id) VALUES (1) ON CONFLICT DO NOTHING";

icu::UnicodeString folded(std::string_view text) {
  return icu::UnicodeString::fromUTF8(fold_text(text));
}

std::string utf8(icu::UnicodeString text) {
  std::string out;
  text.trim().toUTF8String(out);
  return out;
}

// What is a letter here. Those who write 100% or a_b mean these characters, yet a search for them
// also finds what has the rest.
constexpr std::u32string_view kSigns = U"%_*";
bool is_sign(UChar32 c) { return kSigns.contains(static_cast<char32_t>(c)); }
bool is_letter(UChar32 c) {
  return u_isalnum(c) || u_charType(c) == U_NON_SPACING_MARK ||
         u_charType(c) == U_COMBINING_SPACING_MARK || u_charType(c) == U_OTHER_SYMBOL;
}

enum class Signs : unsigned char { are_letters, separate };

// Runs of letters, digits and marks of folded text; everything else separates.
std::vector<std::u32string> runs_of(const icu::UnicodeString& text, Signs signs) {
  std::vector<std::u32string> runs;
  bool open = false;
  for (std::int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    const UChar32 c = text.char32At(i);
    const bool part = is_letter(c) || (signs == Signs::are_letters && is_sign(c));
    if (part && !open) runs.emplace_back();
    if (part) runs.back() += static_cast<char32_t>(c);
    open = part;
  }
  return runs;
}

// Fixed width, so that the token of one character is a prefix of the tokens of its pairs.
std::string token(std::u32string_view characters) {
  std::string out = "x";
  for (char32_t c : characters) out += fmt::format("{:06x}", static_cast<std::uint32_t>(c));
  return out;
}

// "abc" → "ab bc c": the last character alone closes the run, so no phrase reaches into the next
// one.
std::string indexed(const icu::UnicodeString& text) {
  std::string out;
  for (const std::u32string& run : runs_of(text, Signs::are_letters))
    for (std::size_t i = 0; i < run.size(); ++i) {
      out += token(std::u32string_view(run).substr(i, 2));
      out += ' ';
    }
  return out;
}

// All runs must occur.
std::string all_of(std::vector<std::u32string> runs) {
  std::string out;
  if (runs.size() > kMaxRuns) runs.resize(kMaxRuns);
  for (const std::u32string& run : runs) {
    if (!out.empty()) out += " AND ";
    if (run.size() == 1) {
      out += token(run) + "*";
      continue;
    }
    out += '"';
    for (std::size_t i = 0; i + 1 < run.size(); ++i)
      out += token(std::u32string_view(run).substr(i, 2)) + " ";
    out += '"';
  }
  return out;
}

struct Query {
  std::string match;  // empty: nothing to search for
  std::string typed;  // what holds it comes first; empty: every match does
};

// One word alone: its phrase matches exactly what holds it.
bool is_word(const icu::UnicodeString& query) {
  for (std::int32_t i = 0; i < query.length(); i = query.moveIndex32(i, 1))
    if (!is_letter(query.char32At(i))) return false;
  return true;
}

Query parse(std::string_view text) {
  const icu::UnicodeString query = folded(text);
  auto whole = runs_of(query, Signs::are_letters), parts = runs_of(query, Signs::separate);
  Query out;
  if (!is_word(query)) out.typed = utf8(query);
  const bool widened = whole != parts && !parts.empty();
  out.match = all_of(std::move(whole));
  if (widened) out.match = fmt::format("({}) OR ({})", out.match, all_of(std::move(parts)));
  return out;
}

Result<> index_document(sql::Tx& tx, const SearchDocument& document, bool removed) {
  const icu::UnicodeString title = folded(document.title), body = folded(document.body);
  SV_TRY(sql::Rows claimed,
         tx.query(kClaim, {document.id, document.revision, removed, document.boost,
                           removed ? "" : utf8(title) + "\n" + utf8(body)}));
  if (claimed.empty()) return {};
  SV_CHECK(tx.execute(kForget, {document.id}));
  if (!removed) SV_CHECK(tx.execute(kAdd, {document.id, indexed(title), indexed(body)}));
  return {};
}

class LocalSearch final : public SearchIndex {
 public:
  explicit LocalSearch(std::unique_ptr<sql::Database> db) : db_(std::move(db)) {}

  Task<Result<>> upsert(std::vector<SearchDocument> documents) override {
    Ctx ctx;
    co_return co_await db_->write(ctx, [documents = std::move(documents)](sql::Tx& tx) -> Result<> {
      for (const SearchDocument& d : documents) SV_CHECK(index_document(tx, d, false));
      return {};
    });
  }

  Task<Result<>> remove(std::vector<std::int64_t> ids, std::int64_t revision) override {
    Ctx ctx;
    co_return co_await db_->write(ctx, [ids = std::move(ids), revision](sql::Tx& tx) -> Result<> {
      for (std::int64_t id : ids)
        SV_CHECK(index_document(
            tx, {.id = id, .revision = revision, .title = {}, .body = {}, .boost = 1}, true));
      return {};
    });
  }

  Task<Result<SearchHits>> search(std::string query, std::int64_t offset,
                                  std::int64_t limit) override {
    SearchHits hits;
    const Query asked = parse(query);
    if (asked.match.empty()) co_return hits;
    sql::Rows rows;
    if (asked.typed.empty()) {
      SV_CO_TRY(rows, co_await db_->query(Ctx{}, kSearch, {asked.match, limit, offset}));
    } else {
      SV_CO_TRY(rows, co_await db_->query(Ctx{}, kSearchTyped,
                                          {asked.match, limit, offset, asked.typed}));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) hits.ids.push_back(rows.i64(i, 0));
    SV_CO_TRY(sql::Rows count, co_await db_->query(Ctx{}, kCount, {asked.match}));
    hits.total = count.i64(0, 0);
    co_return hits;
  }

  Task<Result<bool>> filled() override {
    SV_CO_TRY(sql::Rows rows, co_await db_->query(Ctx{}, kFilled));
    co_return !rows.empty();
  }

  Task<Result<>> set_filled() override {
    Ctx ctx;
    co_return co_await db_->write(ctx, [](sql::Tx& tx) -> Result<> {
      SV_CHECK(tx.execute(kSetFilled));
      return {};
    });
  }

 private:
  const std::unique_ptr<sql::Database> db_;
};

}  // namespace

Result<std::unique_ptr<SearchIndex>> make_local_search(std::filesystem::path file) {
  SqliteOptions options;
  options.path = std::move(file);
  options.readers = 2;
  SV_TRY(auto db, open_sqlite(options));
  SV_CHECK(migrate_sqlite(*db, kMigrations, "search"));
  return std::make_unique<LocalSearch>(std::move(db));
}

}  // namespace sv
