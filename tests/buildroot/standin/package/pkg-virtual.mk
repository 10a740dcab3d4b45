# Packages that others provide.

define inner-virtual-package
ifeq ($$(BR2_PACKAGE_HAS_$(2)),y)
ifeq ($$(call qstrip,$$(BR2_PACKAGE_PROVIDES_$(2))),)
$$(error No implementation selected for virtual package $(1). Configuration error)
endif
endif

$(2)_VERSION =
$(2)_SOURCE =
$(2)_IS_VIRTUAL = YES

ifeq ($(4),target)
$(2)_DEPENDENCIES += $$(call qstrip,$$(BR2_PACKAGE_PROVIDES_$(2)))
else
$(2)_DEPENDENCIES += $$(or $$(call qstrip,$$(BR2_PACKAGE_PROVIDES_$(2))),$\
	host-$$(call qstrip,$$(BR2_PACKAGE_PROVIDES_$(3))))
endif

$(call inner-generic-package,$(1),$(2),$(3),$(4))
endef

virtual-package = $(call target-package,virtual)
host-virtual-package = $(call host-package,virtual)
