#pragma once

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace sv::net {

// Files for tests of TLS.
struct TestCertificate {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("sv_tls_{}_{}", ::getpid(), count++);
  std::filesystem::path certificate = folder / "cert.pem", key = folder / "key.pem";
  TestCertificate() { std::filesystem::create_directories(folder); }
  ~TestCertificate() { std::filesystem::remove_all(folder); }
  static inline int count = 0;

  // A self-signed P-256 certificate for `name`, valid for `seconds` from now (negative: no more).
  void make(const char* name, long seconds = 3600) const {
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> pair(EVP_EC_gen("P-256"), &EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), &X509_free);
    X509_set_version(made.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(made.get()), seconds < 0 ? 2 * seconds : 0);
    X509_gmtime_adj(X509_getm_notAfter(made.get()), seconds);
    X509_set_pubkey(made.get(), pair.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_issuer_name(made.get(), X509_get_subject_name(made.get()));
    ASSERT_NE(X509_sign(made.get(), pair.get(), EVP_sha256()), 0);
    std::unique_ptr<FILE, decltype(&fclose)> c(fopen(certificate.c_str(), "w"), &fclose),
        k(fopen(key.c_str(), "w"), &fclose);
    PEM_write_X509(c.get(), made.get());
    PEM_write_PrivateKey(k.get(), pair.get(), nullptr, nullptr, 0, nullptr, nullptr);
  }
};

}  // namespace sv::net
