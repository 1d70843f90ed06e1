"""Lists in the true layouts of their publishers, with invented parties."""

A = "1FsSia9rv4NeEwvJ2GvXrX7LyxYspbN2mo"
B = "bc1qvyq0cc6rahyvsazfdje0twl7ez82ndmuac2lhv"
TRON = "TUCsTq7TofTCJRRoHk6RvhMoS2mJLm5Yzq"
ETHER = "0x7db418b5d567a4e0e8c59ad71be1fce48f3e6107"

SDN_XML = f"""<?xml version="1.0" standalone="yes"?>
<sdnList xmlns="https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/exports/XML">
  <publshInformation><Publish_Date>05/29/2024</Publish_Date><Record_Count>2</Record_Count></publshInformation>
  <sdnEntry><uid>7</uid><lastName>HARMLESS SHIPPING</lastName><sdnType>Entity</sdnType>
    <idList><id><uid>1</uid><idType>Tax ID No.</idType><idNumber>12</idNumber></id></idList></sdnEntry>
  <sdnEntry><uid>12</uid><firstName>Jon</firstName><lastName>DOE</lastName><sdnType>Individual</sdnType>
    <programList><program>CYBER2</program><program>DPRK4</program></programList>
    <idList>
      <id><uid>2</uid><idType>Digital Currency Address - XBT</idType><idNumber> {A} </idNumber></id>
      <id><uid>3</uid><idType>Digital Currency Address - XBT</idType><idNumber>{TRON}</idNumber></id>
      <id><uid>4</uid><idType>Digital Currency Address - USDT</idType><idNumber>{ETHER}</idNumber></id>
    </idList>
    <nationalityList><nationality><uid>9</uid><country>Russia</country></nationality></nationalityList>
    <addressList><address><uid>8</uid><country>Georgia</country></address></addressList></sdnEntry>
</sdnList>
"""
ADVANCED = f"""<?xml version="1.0" encoding="utf-8"?>
<Sanctions xmlns="https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/exports/ADVANCED_XML">
  <DateOfIssue CalendarTypeID="1"><Year>2024</Year><Month>5</Month><Day>29</Day></DateOfIssue>
  <ReferenceValueSets>
    <CountryValues><Country ID="11082" ISO2="RU">Russia</Country></CountryValues>
    <FeatureTypeValues><FeatureType ID="344" FeatureTypeGroupID="1">Digital Currency Address - XBT</FeatureType>
      <FeatureType ID="10" FeatureTypeGroupID="1">Nationality Country</FeatureType></FeatureTypeValues>
    <ListValues><List ID="1550">SDN List</List><List ID="91512">Consolidated List</List></ListValues>
    <NamePartTypeValues><NamePartType ID="1520">Last Name</NamePartType>
      <NamePartType ID="1521">First Name</NamePartType></NamePartTypeValues>
  </ReferenceValueSets>
  <Locations><Location ID="5"><LocationCountry CountryID="11082"/></Location></Locations>
  <DistinctParties>
    <DistinctParty FixedRef="7"><Profile ID="7" PartySubTypeID="3"><Identity ID="1" Primary="true"/></Profile>
    </DistinctParty>
    <DistinctParty FixedRef="12"><Profile ID="12" PartySubTypeID="4">
      <Identity ID="2" Primary="true">
        <Alias AliasTypeID="1400" Primary="false"><DocumentedName><DocumentedNamePart>
          <NamePartValue NamePartGroupID="21">OTHER</NamePartValue></DocumentedNamePart></DocumentedName></Alias>
        <Alias AliasTypeID="1403" Primary="true"><DocumentedName>
          <DocumentedNamePart><NamePartValue NamePartGroupID="22">Jon</NamePartValue></DocumentedNamePart>
          <DocumentedNamePart><NamePartValue NamePartGroupID="21">DOE</NamePartValue></DocumentedNamePart>
        </DocumentedName></Alias>
        <NamePartGroups>
          <MasterNamePartGroup><NamePartGroup ID="21" NamePartTypeID="1520"/></MasterNamePartGroup>
          <MasterNamePartGroup><NamePartGroup ID="22" NamePartTypeID="1521"/></MasterNamePartGroup>
        </NamePartGroups>
      </Identity>
      <Feature ID="1" FeatureTypeID="344"><FeatureVersion ID="1"><Comment/>
        <VersionDetail DetailTypeID="1432">{A}</VersionDetail></FeatureVersion></Feature>
      <Feature ID="2" FeatureTypeID="10"><FeatureVersion ID="2"><VersionLocation LocationID="5"/></FeatureVersion>
      </Feature>
    </Profile></DistinctParty>
    <DistinctParty FixedRef="13"><Profile ID="13"><Feature ID="3" FeatureTypeID="344"><FeatureVersion>
      <VersionDetail DetailTypeID="1432">{B}</VersionDetail></FeatureVersion></Feature></Profile></DistinctParty>
  </DistinctParties>
  <SanctionsEntries>
    <SanctionsEntry ID="1" ProfileID="12" ListID="1550">
      <EntryEvent ID="1"><Date><Year>2018</Year><Month>11</Month><Day>28</Day></Date></EntryEvent>
      <SanctionsMeasure ID="1" SanctionsTypeID="1"><Comment>CYBER2</Comment></SanctionsMeasure>
      <SanctionsMeasure ID="2" SanctionsTypeID="1"><Comment>DPRK4</Comment></SanctionsMeasure></SanctionsEntry>
    <SanctionsEntry ID="2" ProfileID="13" ListID="91512"/>
  </SanctionsEntries>
</Sanctions>
"""
ENHANCED = f"""<?xml version="1.0" encoding="utf-8"?>
<sanctionsData xmlns="https://sanctionslistservice.ofac.treas.gov/api/PublicationPreview/exports/ENHANCED_XML">
  <publicationInfo><dataAsOf>2024-05-29T00:00:00</dataAsOf></publicationInfo>
  <entities>
    <entity id="7"><sanctionsLists><sanctionsList datePublished="2001-01-01">SDN List</sanctionsList></sanctionsLists>
    </entity>
    <entity id="12">
      <sanctionsLists><sanctionsList refId="1" datePublished="2018-11-28">SDN List</sanctionsList></sanctionsLists>
      <sanctionsPrograms><sanctionsProgram>CYBER2</sanctionsProgram><sanctionsProgram>DPRK4</sanctionsProgram>
      </sanctionsPrograms>
      <names><name id="1"><isPrimary>true</isPrimary><translations><translation><isPrimary>true</isPrimary>
        <formattedFullName>DOE, Jon</formattedFullName></translation></translations></name></names>
      <addresses><address><country>Russia</country></address></addresses>
      <features><feature id="1"><type featureTypeId="344">Digital Currency Address - XBT</type><value>{A}</value>
      </feature><feature id="2"><type featureTypeId="8">Birthdate</type><value>1970</value></feature></features>
    </entity>
    <entity id="13"><sanctionsLists><sanctionsList>Consolidated List</sanctionsList></sanctionsLists>
      <features><feature><type>Digital Currency Address - XBT</type><value>{B}</value></feature></features></entity>
  </entities>
</sanctionsData>
"""
EU = f"""<?xml version="1.0" encoding="UTF-8"?>
<export xmlns="http://eu.europa.ec/fpi/fsd/export" generationDate="2024-05-29T15:51:25.849+02:00" globalFileId="1">
  <sanctionEntity designationDate="2023-12-18" euReferenceNumber="EU.1.2" logicalId="41">
    <remark>Its wallet on Bitcoin is {A}; and another: {A[:-1]}x</remark>
    <regulation programme="RUS" entryIntoForceDate="2024-01-01"><publicationUrl>x</publicationUrl></regulation>
    <subjectType code="enterprise"/>
    <nameAlias wholeName="Weak" strong="false"/><nameAlias wholeName="Coins OOO" strong="true"/>
    <citizenship countryIso2Code="RU"/>
    <identification identificationTypeCode="other" number="{ETHER}" latinNumber="{ETHER}"><remark>x</remark>
    </identification>
    <address countryIso2Code="00"><contactInfo key="WEB" value="https://example.org"/></address>
  </sanctionEntity>
  <sanctionEntity logicalId="42"><nameAlias wholeName="Nobody"/></sanctionEntity>
</export>
"""
UKSL = f"""<?xml version="1.0" encoding="utf-8"?>
<Designations><DateGenerated>29/05/2024</DateGenerated>
  <Designation><UniqueID>CYB0001</UniqueID><RegimeName>Cyber</RegimeName><DateDesignated>09/02/2023</DateDesignated>
    <Names><Name><Name6>ALIAS</Name6><NameType>Alias</NameType></Name>
      <Name><Name1>Jon</Name1><Name6>DOE</Name6><NameType>Primary Name</NameType></Name></Names>
    <OtherInformation>(1) XBT: {A}</OtherInformation>
    <UKStatementofReasons>He was paid by {B} and by {A}.</UKStatementofReasons>
    <Addresses><Address><AddressCountry>Russia</AddressCountry></Address></Addresses></Designation>
</Designations>
"""
OFSI = f"""<?xml version="1.0" encoding="utf-8"?>
<ArrayOfFinancialSanctionsTarget xmlns="http://schemas.hmtreasury.gov.uk/ofsi/consolidatedlist">
  <FinancialSanctionsTarget><Name6>DOUGH</Name6><AliasType>AKA</AliasType><GroupID>150</GroupID>
    <OtherInformation>Digital currency address: {A}</OtherInformation></FinancialSanctionsTarget>
  <FinancialSanctionsTarget><name1>Jon</name1><Name6>DOE</Name6><AliasType>Primary name</AliasType>
    <RegimeName>Cyber</RegimeName><GroupID>150</GroupID><Country>Russia</Country>
    <DateDesignated>2023-02-09T00:00:00</DateDesignated>
    <OtherInformation>Digital currency address: {A}</OtherInformation></FinancialSanctionsTarget>
  <FinancialSanctionsTarget><Name6>NOBODY</Name6><GroupID>151</GroupID></FinancialSanctionsTarget>
</ArrayOfFinancialSanctionsTarget>
"""
