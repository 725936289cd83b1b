#include "platform/net/tls.h"

#include <fstream>

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "platform/net/http_testing.h"
#include "platform/net/tls_testing.h"

namespace sv::net {
namespace {

namespace fs = std::filesystem;

using Files = TestCertificate;

// A blocking client that trusts everybody.
class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, int version = TLS1_3_VERSION,
                     std::string_view protocols = "\x08http/1.1", int receive_buffer = 0,
                     SSL_SESSION* session = nullptr)
      : context_(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free),
        fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    SSL_CTX_set_security_level(context_.get(), 0);
    SSL_CTX_set_min_proto_version(context_.get(), version);
    SSL_CTX_set_max_proto_version(context_.get(), version);
    if (!protocols.empty())
      SSL_CTX_set_alpn_protos(context_.get(),
                              reinterpret_cast<const unsigned char*>(protocols.data()),
                              static_cast<unsigned>(protocols.size()));
    if (receive_buffer > 0)
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    timeval patience{.tv_sec = 20, .tv_usec = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return;
    ssl_ = SSL_new(context_.get());
    SSL_set_fd(ssl_, fd_);
    if (session != nullptr) SSL_set_session(ssl_, session);
    connected_ = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    ::close(fd_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool connected() const { return connected_; }
  SSL* ssl() { return ssl_; }
  std::string name() {
    char out[64] = {};
    std::unique_ptr<X509, decltype(&X509_free)> shown(SSL_get1_peer_certificate(ssl_), &X509_free);
    if (shown)
      X509_NAME_get_text_by_NID(X509_get_subject_name(shown.get()), NID_commonName, out,
                                sizeof out);
    return out;
  }
  bool send(std::string_view bytes) {
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
  }
  // Until the server closes; goodbye() then says whether it did so in order.
  std::string rest() {
    std::string out(64 * 1024, '\0'), all;
    int n;
    while ((n = SSL_read(ssl_, out.data(), static_cast<int>(out.size()))) > 0)
      all.append(out, 0, static_cast<std::size_t>(n));
    goodbye_ = SSL_get_error(ssl_, n) == SSL_ERROR_ZERO_RETURN;
    return all;
  }
  bool goodbye() const { return goodbye_; }

 private:
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  const int fd_;
  SSL* ssl_ = nullptr;
  bool connected_ = false, goodbye_ = false;
};

constexpr std::string_view kLast = "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

Task<> echo(Exchange& x) {
  auto body = co_await x.read_all(64u << 20);
  if (!body) co_return;
  (void)co_await x.send(200, "", *body + std::string(x.path()));
}

struct TlsTest : ::testing::Test {
  void SetUp() override {
    files.make("first");
    auto loaded = TlsIdentity::load(files.certificate, files.key);
    ASSERT_TRUE(loaded) << loaded.error().detail;
    identity = *loaded;
  }
  static std::string body_of(const std::string& answer) {
    return answer.substr(std::min(answer.size(), answer.find("\r\n\r\n") + 4));
  }

  Files files;
  std::shared_ptr<TlsIdentity> identity;
};

TEST_F(TlsTest, BothVersionsAnswerAndSayGoodbye) {
  TestServer server(echo, {}, 2, identity);
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(server.port(), version);
    ASSERT_TRUE(client.connected());
    const unsigned char* protocol = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(client.ssl(), &protocol, &length);
    EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(protocol), length), "http/1.1");
    ASSERT_TRUE(client.send(kLast));
    EXPECT_EQ(body_of(client.rest()), "/hello");
    EXPECT_TRUE(client.goodbye());
  }
}

TEST_F(TlsTest, OldVersionsAndOtherProtocolsAreRefused) {
  TestServer server(echo, {}, 1, identity);
  EXPECT_FALSE(TlsClient(server.port(), TLS1_1_VERSION).connected());
  EXPECT_FALSE(TlsClient(server.port(), TLS1_3_VERSION, "\x02h2").connected());
  EXPECT_TRUE(TlsClient(server.port(), TLS1_3_VERSION, "").connected());
}

TEST_F(TlsTest, RequestsThatComeTogetherAreAnsweredInOrder) {
  TestServer server(echo, {}, 1, identity);
  TlsClient client(server.port());
  std::string many;
  for (int i = 0; i < 100; ++i) many += fmt::format("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", i);
  ASSERT_TRUE(client.send(many + std::string(kLast)));
  const std::string all = client.rest();
  for (std::size_t i = 0, at = 0; i < 100; ++i) {
    at = all.find(fmt::format("\r\n\r\n/{}", i), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST_F(TlsTest, LongBodiesArriveWholeAtASlowReader) {
  TestServer server(echo, {}, 1, identity);
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(server.port(), version, {}, 4096);
    std::string body(5 << 20, '\0');
    for (std::size_t i = 0; i < body.size(); ++i)
      body[i] = static_cast<char>(i * 2654435761u >> 13);
    ASSERT_TRUE(client.send(fmt::format(
        "POST /end HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.size())));
    ASSERT_TRUE(client.send(body));
    EXPECT_TRUE(body_of(client.rest()) == body + "/end");
  }
}

class FileObject final : public ObjectReader {
 public:
  explicit FileObject(const fs::path& path)
      : file_(fopen(path.c_str(), "rb")), size_(fs::file_size(path)) {}
  ~FileObject() override { fclose(file_); }
  std::uint64_t size() const override { return size_; }
  int native_handle() const override { return fileno(file_); }
  Task<Result<std::size_t>> read(std::uint64_t offset, std::span<std::byte> into) override {
    const ssize_t n = ::pread(fileno(file_), into.data(), into.size(), static_cast<off_t>(offset));
    co_return static_cast<std::size_t>(n);
  }

 private:
  FILE* file_;
  std::uint64_t size_;
};

Task<> send_middle(Exchange& x, std::filesystem::path path) {
  FileObject object(path);
  (void)co_await x.send_object(206, "", object, 1000, 900'000);
}

TEST_F(TlsTest, ObjectsAreEncryptedToo) {
  std::string bytes(1 << 20, 'a');
  for (std::size_t i = 0; i < bytes.size(); i += 3) bytes[i] = static_cast<char>(i);
  std::ofstream(files.folder / "object", std::ios::binary) << bytes;
  TestServer server([&](Exchange& x) { return send_middle(x, files.folder / "object"); }, {}, 1,
                    identity);
  TlsClient client(server.port());
  ASSERT_TRUE(client.send(kLast));
  EXPECT_TRUE(body_of(client.rest()) == bytes.substr(1000, 900'000));
}

TEST_F(TlsTest, ATicketResumesASession) {
  TestServer server(echo, {}, 2, identity);
  for (int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient first(server.port(), version);
    ASSERT_TRUE(first.send(kLast));
    (void)first.rest();  // TLS 1.3 sends tickets after the handshake
    std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)> session(SSL_get1_session(first.ssl()),
                                                                      &SSL_SESSION_free);
    TlsClient second(server.port(), version, {}, 0, session.get());
    EXPECT_EQ(SSL_session_reused(second.ssl()), 1) << version;
  }
}

TEST_F(TlsTest, PlainHttpIsToldWhatToDo) {
  TestServer server(echo, {}, 1, identity);
  RawClient client(server.port());
  ASSERT_TRUE(
      client.send("GET /a/rather/long/path/so/that/bytes/are/left HTTP/1.1\r\nHost: x\r\n\r\n"));
  const std::string answer = client.rest();
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
  EXPECT_NE(answer.find("https://"), std::string::npos);
  EXPECT_EQ(answer.find("<open>"), std::string::npos);
}

TEST_F(TlsTest, GarbageIsClosedAndHarmsNobody) {
  TestServer server(echo, {}, 1, identity);
  for (std::string garbage :
       {std::string(300, '\0'), std::string("\x16\x03\x01\xff\xff garbage of a hello"),
        std::string(20'000, '\x80')}) {
    RawClient client(server.port());
    (void)client.send(garbage);
    client.finish_sending();
    EXPECT_TRUE(client.closed_by_server());
  }
  TlsClient client(server.port());
  ASSERT_TRUE(client.send(kLast));
  EXPECT_EQ(body_of(client.rest()), "/hello");
}

TEST_F(TlsTest, ASlowHandshakeIsCutInTheTimeOfAHead) {
  HttpLimits limits;
  limits.header_timeout = std::chrono::milliseconds(150);
  TestServer server(echo, limits, 1, identity);
  RawClient silent(server.port()), slow(server.port());
  ASSERT_TRUE(slow.send(std::string("\x16\x03\x01\x02\x00\x01", 6)));
  EXPECT_TRUE(silent.closed_by_server());
  EXPECT_TRUE(slow.closed_by_server());
  EXPECT_TRUE(eventually([&] { return server->connections() == 0; }));
}

TEST_F(TlsTest, NewConnectionsSeeANewCertificateAndOldOnesGoOn) {
  TestServer server(echo, {}, 1, identity);
  TlsClient old(server.port());
  EXPECT_EQ(old.name(), "first");
  auto changed = identity->reload_if_changed();
  ASSERT_TRUE(changed);
  EXPECT_FALSE(*changed);
  files.make("second");
  changed = identity->reload_if_changed();
  ASSERT_TRUE(changed) << changed.error().detail;
  EXPECT_TRUE(*changed);
  EXPECT_EQ(TlsClient(server.port()).name(), "second");
  ASSERT_TRUE(old.send(kLast));
  EXPECT_EQ(body_of(old.rest()), "/hello");
}

TEST_F(TlsTest, ABrokenNewCertificateKeepsTheOldOne) {
  TestServer server(echo, {}, 1, identity);
  std::ofstream(files.certificate)
      << "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n";
  EXPECT_FALSE(identity->reload_if_changed());
  auto again = identity->reload_if_changed();
  ASSERT_TRUE(again);
  EXPECT_FALSE(*again) << "complained about once";
  fs::remove(files.key);
  EXPECT_FALSE(identity->reload());
  EXPECT_EQ(TlsClient(server.port()).name(), "first");
}

TEST_F(TlsTest, ErrorsNameTheFileAtFault) {
  Files other;
  other.make("other");
  auto blame = [](const fs::path& certificate, const fs::path& key) {
    auto loaded = TlsIdentity::load(certificate, key);
    return loaded ? "none" : loaded.error().field + ": " + loaded.error().detail;
  };
  EXPECT_EQ(blame(files.folder / "no.pem", files.key),
            fmt::format("cert: cannot read {}: No such file or directory",
                        (files.folder / "no.pem").string()));
  EXPECT_TRUE(blame(files.key, files.key)
                  .starts_with("cert: " + files.key.string() + " holds no certificate"));
  EXPECT_TRUE(blame(files.certificate, files.certificate)
                  .starts_with("key: " + files.certificate.string() + " holds no private key"));
  EXPECT_EQ(blame(files.certificate, other.key),
            fmt::format("key: the key in {} does not belong to the certificate in {}",
                        other.key.string(), files.certificate.string()));
}

TEST_F(TlsTest, ACertificateThatIsNotValidTodayIsAWarning) {
  EXPECT_EQ(identity->warning(), "");
  files.make("past", -100);
  ASSERT_TRUE(identity->reload());
  EXPECT_NE(identity->warning().find("has expired on"), std::string::npos);
}

}  // namespace
}  // namespace sv::net
