#include "platform/adapters/sqlite_snapshot.h"

#include "platform/adapters/sqlite_connection.h"

namespace sv {
namespace {

using sqlite::Connection;

constexpr int kBusyMs = 10'000;
// The first read of the transaction is what pins.
constexpr const char* kPin = "PRAGMA query_only=ON; BEGIN; SELECT count(*) FROM sqlite_schema;";
// The copy brings the WAL mode of its source along: as a file to be carried about it must stand
// alone.
constexpr std::string_view kAlone = "PRAGMA journal_mode=DELETE";

class PinnedSqlite final : public SqliteSnapshot {
 public:
  PinnedSqlite(std::filesystem::path file, std::unique_ptr<Connection> source)
      : file_(std::move(file)), source_(std::move(source)) {}

  Result<> copy_to(const std::filesystem::path& file) override {
    SV_TRY(auto target, Connection::open(file.string(), SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                                         kBusyMs, "PRAGMA synchronous=OFF;"));
    sqlite3_backup* copy = sqlite3_backup_init(target->handle(), "main", source_->handle(), "main");
    if (copy == nullptr) return failed(*target);
    sqlite3_backup_step(copy, -1);
    if (sqlite3_backup_finish(copy) != SQLITE_OK) return failed(*target);
    SV_CHECK(target->exec(kAlone));
    SV_TRY(sql::Rows sound, target->query("PRAGMA quick_check(1)", {}));
    if (sound.empty() || sound.text(0, 0) != "ok")
      return fail(Errc::internal, "database_damaged",
                  fmt::format("the database {} is damaged: {}", file_.string(),
                              sound.empty() ? "no answer" : sound.text(0, 0)));
    return {};
  }

 private:
  std::unexpected<Error> failed(Connection& target) const {
    const Errc code = (sqlite3_errcode(target.handle()) & 0xff) == SQLITE_FULL ? Errc::storage_full
                                                                               : Errc::internal;
    return fail(code, {},
                fmt::format("cannot copy the database {}: {}", file_.string(),
                            sqlite3_errmsg(target.handle())));
  }

  const std::filesystem::path file_;
  const std::unique_ptr<Connection> source_;
};

}  // namespace

Result<std::unique_ptr<SqliteSnapshot>> pin_sqlite(const std::filesystem::path& file) {
  SV_TRY(auto source, Connection::open(file.string(), SQLITE_OPEN_READONLY, kBusyMs, kPin));
  return std::make_unique<PinnedSqlite>(file, std::move(source));
}

}  // namespace sv
