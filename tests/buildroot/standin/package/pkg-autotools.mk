# What autotools say besides; and other kinds of packages, which are generic ones here.

UPDATE_CONFIG = "Updating config.sub and config.guess"
LIBTOOL_PATCH = "Patching libtool"
AUTORECONF = "Autoreconfiguring"

define inner-autotools-package
ifeq ($(4),host)
$(2)_LIBTOOL_PATCH ?= $$($(3)_LIBTOOL_PATCH)
$(2)_AUTORECONF ?= $$($(3)_AUTORECONF)
endif

$(2)_PATCH_SAYS = UPDATE_CONFIG
ifeq ($$($(2)_AUTORECONF),YES)
$(2)_CONFIGURE_SAYS = AUTORECONF
$(2)_DEPENDENCIES += host-automake host-autoconf host-libtool
ifneq ($$($(2)_LIBTOOL_PATCH),NO)
$(2)_CONFIGURE_SAYS += LIBTOOL_PATCH
endif
else ifneq ($$($(2)_LIBTOOL_PATCH),NO)
$(2)_PATCH_SAYS += LIBTOOL_PATCH
endif

$(call inner-generic-package,$(1),$(2),$(3),$(4))
endef

autotools-package = $(call target-package,autotools)
host-autotools-package = $(call host-package,autotools)
cmake-package = $(generic-package)
host-cmake-package = $(host-generic-package)
kconfig-package = $(generic-package)
meson-package = $(generic-package)
