#include "store/mongo/shared.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "base/redact.hpp"
#include "crypto/sha256.hpp"
#include "telemetry/telemetry.hpp"

namespace pebbles::store::mongo {
namespace {

constexpr std::int32_t wire_version_of_4_4 = 9;

/// Sets a time-out that the URI does not name. The defaults of libmongoc let one frozen server hold a thread for ten
/// minutes (two tries of five).
void set_default(mongoc_uri_t* uri, const char* option, std::int32_t milliseconds) {
  if (!mongoc_uri_has_option(uri, option)) mongoc_uri_set_option_as_int32(uri, option, milliseconds);
}

Result<void> refuse_weaker_writes(const mongoc_uri_t* uri) {
  const auto* const concern = mongoc_uri_get_write_concern(uri);
  const auto w = mongoc_write_concern_get_w(concern);
  const bool weak = w != MONGOC_WRITE_CONCERN_W_DEFAULT && !mongoc_write_concern_get_wmajority(concern);
  if (weak || (mongoc_write_concern_journal_is_set(concern) && !mongoc_write_concern_get_journal(concern)))
    return failure(Errc::invalid_argument,
                   "MONGO_URI asks for weaker writes than w=majority&journal=true: leave w and journal out");
  return {};
}

struct Hello {
  Topology topology = Topology::standalone;
  std::int32_t wire_version = 0;
  bool has_arbiter = false;
};

Hello read_hello(const bson_t* reply) {
  Hello out;
  each_member(reply, [&](std::string_view name, const bson_iter_t& member) {
    if (name == "setName") out.topology = Topology::replica_set;
    if (name == "msg" && text_of(member) == "isdbgrid") out.topology = Topology::sharded;
    if (name == "maxWireVersion" && BSON_ITER_HOLDS_INT(&member))
      out.wire_version = static_cast<std::int32_t>(bson_iter_as_int64(&member));
    if (name == "arbiters") out.has_arbiter = true;
  });
  return out;
}

}  // namespace

OpenTimes::Entry OpenTimes::begin() {
  const std::lock_guard lock{mutex_};
  open_.emplace(++numbers_, passed_);
  return {*this, numbers_};
}

void OpenTimes::end(std::uint64_t number) {
  const std::lock_guard lock{mutex_};
  open_.erase(number);
}

void OpenTimes::passed(ServerTime time) {
  const std::lock_guard lock{mutex_};
  passed_ = std::max(passed_, time);
}

ServerTime OpenTimes::horizon(ServerTime now) const {
  const std::lock_guard lock{mutex_};
  return open_.empty() ? now : std::min(now, open_.begin()->second);  // those that begin later have later times
}

bool OpenTimes::any() const {
  const std::lock_guard lock{mutex_};
  return !open_.empty();
}

Shared::Shared(MongoOptions options, Uri uri, ClientPool pool, std::string database)
    : options_{std::move(options)},
      uri_{std::move(uri)},
      database_{std::move(database)},
      instance_{[] {
        std::int64_t number = 0;
        crypto::fill_random({reinterpret_cast<std::uint8_t*>(&number), sizeof number});
        return number;
      }()},
      pool_{std::move(pool)} {}

namespace {

/// What the driver says, which quotes the password that it does not understand.
std::string reason_against(std::string_view message) {
  const bool is_about_user = message.contains("assword") || message.contains("sername") || message.contains("escape");
  if (is_about_user)
    return "in its user name and password, @ must be written as %40, : as %3A, / as %2F and % as %25 (RFC 3986)";
  return redacted(message);
}

}  // namespace

Result<std::shared_ptr<Shared>> Shared::make(MongoOptions options) {
  start_driver();
  bson_error_t error;
  Uri uri{mongoc_uri_new_with_error(options.uri.c_str(), &error)};
  if (!uri)
    return failure(Errc::invalid_argument, "MONGO_URI is not a connection string: " + reason_against(error.message));
  PEBBLES_TRY_VOID(refuse_weaker_writes(uri.get()));
  set_default(uri.get(), MONGOC_URI_SOCKETTIMEOUTMS, 5'000);
  set_default(uri.get(), MONGOC_URI_CONNECTTIMEOUTMS, 2'000);
  set_default(uri.get(), MONGOC_URI_SERVERSELECTIONTIMEOUTMS, 3'000);
  set_default(uri.get(), MONGOC_URI_HEARTBEATFREQUENCYMS, 2'000);
  set_default(uri.get(), MONGOC_URI_WAITQUEUETIMEOUTMS, 2'000);
  set_default(uri.get(), MONGOC_URI_MAXPOOLSIZE, static_cast<std::int32_t>(options.pool_size));
  // A retry of the driver's own would be one more unknown; and the server keeps a record of each write that may be one.
  mongoc_uri_set_option_as_bool(uri.get(), MONGOC_URI_RETRYWRITES, false);
  const char* const named = mongoc_uri_get_database(uri.get());
  std::string database = named != nullptr ? named : "pebbles";
  ClientPool pool{mongoc_client_pool_new_with_error(uri.get(), &error)};
  if (!pool) return failure(Errc::invalid_argument, fmt::format("MONGO_URI cannot be used: {}", error.message));
  mongoc_client_pool_set_error_api(pool.get(), MONGOC_ERROR_API_VERSION_2);
  mongoc_client_pool_set_appname(pool.get(), "pebbles");
  return std::shared_ptr<Shared>{new Shared{std::move(options), std::move(uri), std::move(pool), std::move(database)}};
}

Lease Shared::lease() {
  Lease lease{pool_.get(), counts_};
  if (lease) set_concerns(lease);
  return lease;
}

Collection Shared::collection(const Lease& lease, std::string_view name) const {
  return Collection{mongoc_client_get_collection(lease.get(), database_.c_str(), std::string{name}.c_str())};
}

Result<Bson> Shared::run_in_database(const Lease& lease, const Bson& command) const {
  return run(lease.get(), database_, command);
}

void Shared::set_concerns(const Lease& lease) const {
  const ReadConcern read{mongoc_read_concern_new()};
  mongoc_read_concern_set_level(
      read.get(), options_.weak_writes ? MONGOC_READ_CONCERN_LEVEL_LOCAL : MONGOC_READ_CONCERN_LEVEL_MAJORITY);
  mongoc_client_set_read_concern(lease.get(), read.get());
  const WriteConcern write{mongoc_write_concern_new()};
  if (options_.weak_writes) {
    mongoc_write_concern_set_w(write.get(), 1);
  } else {
    // A standalone server is a majority of itself.
    mongoc_write_concern_set_wmajority(write.get(), 0);
    mongoc_write_concern_set_journal(write.get(), true);
  }
  mongoc_client_set_write_concern(lease.get(), write.get());
  const ReadPrefs primary{mongoc_read_prefs_new(MONGOC_READ_PRIMARY)};
  mongoc_client_set_read_prefs(lease.get(), primary.get());
}

Result<void> Shared::prepare(const Lease& lease) {
  if (is_prepared()) return {};
  const std::unique_lock lock{preparing_, std::try_to_lock};  // one waits for a server that is away, not everybody
  if (!lock) return failure(Errc::store_unavailable, "MongoDB: no server has answered yet");
  if (is_prepared()) return {};
  bson_error_t error;
  const std::unique_ptr<mongoc_server_description_t, Destroy<mongoc_server_description_destroy>> server{
      mongoc_client_select_server(lease.get(), true, nullptr, &error)};
  if (!server) return std::unexpected{Fault::of(error, nullptr).to_error()};
  const auto hello = read_hello(mongoc_server_description_hello_response(server.get()));
  if (hello.wire_version < wire_version_of_4_4)
    return failure(Errc::store_corrupt, "this MongoDB server is older than 4.4, which Pebbles needs");
  if (hello.has_arbiter) telemetry::database_has_arbiter();
  PEBBLES_TRY_VOID(make_indexes(lease.get(), database_));
  PEBBLES_TRY(key, find_or_make_cursor_key(collection(lease, secrets_name).get()));
  cursor_key_ = key;
  PEBBLES_TRY_VOID(beat(lease));  // before the first commit: readers of the tail have to know of it
  topology_ = hello.topology;
  return {};
}

Result<Bson> run(mongoc_client_t* client, const std::string& database, const Bson& command) {
  bson_t reply;
  bson_error_t error;
  const bool good =
      mongoc_client_command_with_opts(client, database.c_str(), command.get(), nullptr, nullptr, &reply, &error);
  Bson out{&reply};
  const auto fault = good ? Fault{} : Fault::of(error, &reply);
  bson_destroy(&reply);
  if (!good) return std::unexpected{fault.to_error()};
  return out;
}

}  // namespace pebbles::store::mongo
