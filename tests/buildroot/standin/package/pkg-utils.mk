# Where a package is, and what `show-info` says of it.

pkgdir = $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
pkgname = $(lastword $(subst /, ,$(pkgdir)))

# JSON is made without spaces first; what is still between two values becomes a comma.
commas = $(subst $(space),$(comma)$(space),$(strip $(1)))
json-string = "$(subst $(space),\u0020,$(subst $(tab),\t,$(subst ",\",$(subst \,\\,$(strip $(1))))))"
# "))"
json-list = [$(call commas,$(foreach x,$(1),$(call json-string,$(x))))]
json-bool = $(if $(filter YES,$(1)),true,false)
json-entry = "$(strip $(1))":$(strip $(2))

json-info = "$($(1)_NAME)":{$(subst $(space),,$(call commas,$\
	$(call json-entry,type,$(call json-string,$($(1)_TYPE))) $\
	$(if $(filter rootfs,$($(1)_TYPE)),$(call json-info-fs,$(1)),$(call json-info-pkg,$(1)))))}

json-info-fs = \
	$(call json-entry,image_name,$(if $($(1)_FINAL_IMAGE_NAME),$(call json-string,$($(1)_FINAL_IMAGE_NAME)),null)) \
	$(call json-entry,dependencies,$(call json-packed,$(sort $($(1)_DEPENDENCIES))))

json-packed = $(subst $(space),,$(call json-list,$(1)))

json-info-pkg = \
	$(call json-entry,name,$(call json-string,$($(1)_RAWNAME))) \
	$(call json-entry,virtual,$(call json-bool,$($(1)_IS_VIRTUAL))) \
	$(if $($(1)_IS_VIRTUAL),,$(call json-info-details,$(1))) \
	$(call json-entry,package_dir,$(call json-string,$(patsubst $(CURDIR)/%,%,$($(1)_PKGDIR)))) \
	$(call json-entry,stamp_dir,$(call json-string,$(patsubst $(CONFIG_DIR)/%,%,$($(1)_DIR)))) \
	$(call json-entry,source_dir,$(call json-string,$(patsubst $(CONFIG_DIR)/%,%,$($(1)_DIR)))) \
	$(call json-entry,build_dir,$(call json-string,$(patsubst $(CONFIG_DIR)/%,%,$($(1)_BUILDDIR)))) \
	$(if $(filter target,$($(1)_TYPE)), \
		$(call json-entry,install_target,$(call json-bool,$($(1)_INSTALL_TARGET))) \
		$(call json-entry,install_staging,$(call json-bool,$($(1)_INSTALL_STAGING))) \
		$(call json-entry,install_images,$(call json-bool,$($(1)_INSTALL_IMAGES)))) \
	$(call json-entry,dependencies,$(call json-packed,$(sort $($(1)_FINAL_ALL_DEPENDENCIES)))) \
	$(call json-entry,reverse_dependencies,$(call json-packed,$(sort $($(1)_RDEPENDENCIES)))) \
	$(if $($(1)_CPE_ID_VALID),$(call json-entry,cpe-id,$(call json-string,$($(1)_CPE_ID)))) \
	$(if $($(1)_IGNORE_CVES),$(call json-entry,ignore_cves,$(call json-packed,$(sort $($(1)_IGNORE_CVES)))))

json-info-details = \
	$(call json-entry,version,$(call json-string,$($(1)_DL_VERSION))) \
	$(call json-entry,licenses,$(call json-string,$($(1)_LICENSE))) \
	$(call json-entry,license_files,$(call json-packed,$($(1)_LICENSE_FILES))) \
	$(call json-entry,redistributable,$(if $(filter NO,$($(1)_REDISTRIBUTE)),false,true)) \
	$(call json-entry,dl_dir,$(call json-string,$($(1)_DL_SUBDIR))) \
	$(call json-entry,downloads,[$(subst $(space),,$(call commas,$(foreach dl,$(sort $($(1)_ALL_DOWNLOADS)),$\
		{$(call json-entry,source,$(call json-string,$(notdir $(dl)))),$(call json-entry,uris,$\
		$(call json-packed,$(subst \|,|,$(call DOWNLOAD_URIS,$(dl),$(1)))))})))]) \
	$(call json-entry,hashes,$(call json-packed,$(wildcard $($(1)_HASH_FILES)))) \
	$(call json-entry,patches,$(call json-packed,$(call pkg-patches-list,$(1)))) \
	$(if $($(1)_PROVIDES),$(call json-entry,provides,$(call json-packed,$($(1)_PROVIDES))))

pkg-patch-hash-dirs = $($(1)_PKGDIR) $(addsuffix /$($(1)_RAWNAME),$(call qstrip,$(BR2_GLOBAL_PATCH_DIR)))
pkg-patches-list = $(foreach dir,$(call pkg-patch-hash-dirs,$(1)),$(sort $(wildcard $(dir)/*.patch)))
