MPFR_VERSION = 4.1.1
MPFR_SOURCE = mpfr-$(MPFR_VERSION).tar.xz
MPFR_SITE = http://www.mpfr.org/mpfr-$(MPFR_VERSION)
MPFR_LICENSE = LGPL-3.0+
MPFR_LICENSE_FILES = COPYING.LESSER
HOST_MPFR_DEPENDENCIES = host-gmp
MPFR_CPE_ID_VENDOR = mpfr
MPFR_CPE_ID_PRODUCT = gnu_mpfr

$(eval $(host-autotools-package))
