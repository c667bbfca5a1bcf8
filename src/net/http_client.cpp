#include "net/http_client.hpp"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/assert.hpp"
#include "base/header_text.hpp"

namespace pebbles::net {
namespace {

constexpr std::size_t header_bytes_max = 64UL << 10U;

template <auto function>
struct Destroy {
  template <class T>
  void operator()(T* handle) const {
    function(handle);
  }
};
using Easy = std::unique_ptr<CURL, Destroy<curl_easy_cleanup>>;
using Multi = std::unique_ptr<CURLM, Destroy<curl_multi_cleanup>>;
using HeaderList = std::unique_ptr<curl_slist, Destroy<curl_slist_free_all>>;

void start_library() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

/// What of an answer has come.
struct Received {
  Response response{};
  std::size_t body_bytes_max = 0;
  std::size_t header_bytes = 0;
  std::string too_long{};  ///< says what was, and ended the transfer
};

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* to) {
  auto& received = *static_cast<Received*>(to);
  auto& body = received.response.body;
  const std::size_t bytes = size * count;
  if (bytes > received.body_bytes_max - body.size()) {
    received.too_long = fmt::format("the answer is longer than {} bytes", received.body_bytes_max);
    return 0;
  }
  body.append(data, bytes);
  return bytes;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* to) {
  auto& received = *static_cast<Received*>(to);
  auto& headers = received.response.headers;
  const std::size_t bytes = size * count;
  std::string_view line{data, bytes};
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) headers.clear();  // what came before was of a provisional answer
  received.header_bytes += bytes;
  if (received.header_bytes > header_bytes_max) {
    received.too_long = fmt::format("the headers of the answer are longer than {} bytes", header_bytes_max);
    return 0;
  }
  if (const auto colon = line.find(':'); colon != line.npos)
    headers.push_back(
        {.name = std::string{line.substr(0, colon)}, .value = std::string{trimmed(line.substr(colon + 1))}});
  return bytes;
}

HeaderList list_of(const std::vector<Header>& headers) {
  HeaderList list;
  for (const auto& [name, value] : headers) {
    // An empty one would be signed but not sent, a line break would begin another.
    PEBBLES_ASSERT(!value.empty() && value.find_first_of("\r\n") == value.npos, "a header's value must be one line");
    auto* longer = curl_slist_append(list.get(), fmt::format("{}: {}", name, value).c_str());
    if (longer == nullptr) throw std::bad_alloc{};
    if (!list) list.reset(longer);  // from then on it is the same list that grows
  }
  return list;
}

void set_method(CURL* easy, const Request& request) {
  if (request.method == Method::get) return;
  // The body is given whole: libcurl signs one that it has to ask for as if it were empty. Null would mean just that.
  curl_easy_setopt(easy, CURLOPT_POST, 1L);
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
  curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.empty() ? "" : request.body.data());
  if (request.method == Method::put) curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, "PUT");
}

void set_signature(CURL* easy, const AwsSignature& signature) {
  // Region and service are named: libcurl would take them from the host name, which may be another.
  const auto scope = fmt::format("aws:amz:{}:{}", signature.region, signature.service);
  curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, scope.c_str());
  // Not as USERPWD, where a colon would divide them elsewhere.
  curl_easy_setopt(easy, CURLOPT_USERNAME, signature.access_key_id.c_str());
  curl_easy_setopt(easy, CURLOPT_PASSWORD, signature.secret_access_key.c_str());
}

void set_manners(CURL* easy, const Request& request) {
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);  // a long poll is silent
  curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);     // a stop does not wait for the resolver
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_USERAGENT, "pebbles");
  if (!request.proxied) curl_easy_setopt(easy, CURLOPT_PROXY, "");
}

/// Runs what was added to the end; how it ended, or nullopt when it was stopped.
std::optional<CURLcode> run(CURLM* multi, const std::stop_token& stop) {
  const std::stop_callback wake{stop, [multi] { curl_multi_wakeup(multi); }};
  constexpr int poll_ms = 60'000;  // libcurl wakes itself where it has something to do
  int running = 0;
  while (true) {
    if (curl_multi_perform(multi, &running) != CURLM_OK) return CURLE_FAILED_INIT;
    if (running == 0) break;
    if (stop.stop_requested()) return std::nullopt;
    if (curl_multi_poll(multi, nullptr, 0, poll_ms, nullptr) != CURLM_OK) return CURLE_FAILED_INIT;
  }
  int left = 0;
  const auto* message = curl_multi_info_read(multi, &left);
  return message != nullptr && message->msg == CURLMSG_DONE ? message->data.result : CURLE_FAILED_INIT;
}

}  // namespace

struct HttpClient::Handles {
  Multi multi{curl_multi_init()};  ///< keeps the connections
  Easy easy{curl_easy_init()};
};

std::string_view Response::header(std::string_view name) const {
  const auto found =
      std::ranges::find_if(headers, [&](const Header& each) { return equal_ignoring_case(each.name, name); });
  return found == headers.end() ? std::string_view{} : found->value;
}

HttpClient::HttpClient() : handles_{(start_library(), std::make_unique<Handles>())} {
  if (!handles_->multi || !handles_->easy) throw std::bad_alloc{};
}
HttpClient::~HttpClient() = default;

std::expected<Response, NoAnswer> HttpClient::perform(const Request& request, const std::stop_token& stop) {
  const auto cancelled = [] { return std::unexpected{NoAnswer{.cancelled = true, .why = "stopped"}}; };
  if (stop.stop_requested()) return cancelled();
  auto* easy = handles_->easy.get();
  auto* multi = handles_->multi.get();
  Received received{.body_bytes_max = request.body_bytes_max};
  const auto headers = list_of(request.headers);
  std::array<char, CURL_ERROR_SIZE> detail{};

  curl_easy_reset(easy);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail.data());
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &received);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &received);
  set_manners(easy, request);
  set_method(easy, request);
  if (request.signature) set_signature(easy, *request.signature);

  if (curl_multi_add_handle(multi, easy) != CURLM_OK) return std::unexpected{NoAnswer{.why = "no memory"}};
  const auto code = run(multi, stop);
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl_multi_remove_handle(multi, easy);  // closes the connection of a transfer that has not ended
  curl_easy_reset(easy);                  // forgets what points into this call, and the secrets

  if (!code) return cancelled();
  if (!received.too_long.empty()) return std::unexpected{NoAnswer{.why = std::move(received.too_long)}};
  if (*code != CURLE_OK)
    return std::unexpected{NoAnswer{.why = detail[0] != '\0' ? detail.data() : curl_easy_strerror(*code)}};
  received.response.status = static_cast<int>(status);
  return std::move(received.response);
}

}  // namespace pebbles::net
